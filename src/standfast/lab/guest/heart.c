/* The one program of a lab guest: it proves that the guest goes on.
 *
 * Every 100 ms it says, on the serial line and by UDP to the observer,
 *
 *     beat <vm-name> <boot nonce, 16 hex digits> <counter> [diskerr=N] [memerr=N]
 *
 * The nonce is drawn once per boot and the counter only grows: a new nonce or a smaller counter is a restart.
 * Beside that it keeps a working set of memory filled, dirties it at a set rate, checks that no dirtied page was
 * lost (a migration that loses one makes a page old while its generation, kept elsewhere, is new), writes and
 * reads back a sector of its disk once a second, and powers off when the power button is pressed (sf.deaf: not).
 *
 * Everything is set on the kernel command line (sf.name, sf.ip, sf.prefix, sf.to, sf.port, sf.ws_mib, sf.rate,
 * sf.deaf); the guest's clock is used for pacing only: gaps are measured outside.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, WORDS = PAGE / 8, STEP = 32, SECTOR = 4096 };

static char cmdline[4096];
static _Atomic unsigned long disk_errors, memory_errors;

/* The value of key=value on the kernel command line, or fallback. */
static const char *option(const char *key, const char *fallback)
{
    static char values[16][128];
    static int used;
    size_t length = strlen(key);
    for (const char *p = cmdline; (p = strstr(p, key)); p += length)
        if ((p == cmdline || p[-1] == ' ') && p[length] == '=' && used < 16) {
            char *value = values[used++];
            snprintf(value, sizeof values[0], "%.*s", (int)strcspn(p + length + 1, " \n"), p + length + 1);
            return value;
        }
    return fallback;
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33, x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33, x *= 0xc4ceb9fe1a85ec53ULL;
    return (x ^ x >> 33) | 1; /* never zero: zero pages are sent for free */
}

static void pause_until(struct timespec *at, long nanoseconds)
{
    at->tv_nsec += nanoseconds;
    at->tv_sec += at->tv_nsec / 1000000000, at->tv_nsec %= 1000000000;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - at->tv_sec > 1) /* starved for long: go on from here instead of catching up in a burst */
        *at = now;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, at, NULL) == EINTR)
        ;
}

/* ---- memory ------------------------------------------------------------------------------------------------ */

static uint64_t *pages;
static uint32_t *generations; /* how often each page was dirtied; kept apart from the pages themselves */
static size_t page_count;

/* Every STEP-th word of a page carries its generation, the rest is fixed: dirtying is cheap, a check is whole. */
static uint64_t expected(size_t page, size_t word, uint32_t generation)
{
    return mix(page << 20 | word) ^ (word % STEP ? 0 : mix(generation));
}

static void check_page(size_t page, size_t stride)
{
    for (size_t word = 0; word < WORDS; word += stride)
        if (pages[page * WORDS + word] != expected(page, word, generations[page])) {
            memory_errors++;
            return;
        }
}

static void dirty_page(size_t page)
{
    check_page(page, STEP);
    generations[page]++;
    for (size_t word = 0; word < WORDS; word += STEP)
        pages[page * WORDS + word] = expected(page, word, generations[page]);
}

static void *memory_worker(void *unused)
{
    long rate = atol(option("sf.rate", "500"));
    uint64_t random = mix(page_count), owed = 0;
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    for (size_t round = 0;; round += 2) {
        pause_until(&at, 40000000); /* each waking costs, under emulation more than what is done then */
        for (owed += rate * 40; owed >= 1000; owed -= 1000) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            dirty_page(random % page_count);
        }
        check_page(round % page_count, 1); /* fifty pages a second are looked at in full */
        check_page((round + 1) % page_count, 1);
    }
    return unused;
}

static int prepare_memory(void)
{
    page_count = strtoul(option("sf.ws_mib", "40"), NULL, 10) * (1 << 20) / PAGE;
    if (!page_count)
        return 0;
    int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    pages = mmap(NULL, page_count * PAGE, protection, flags, -1, 0);
    generations = mmap(NULL, page_count * sizeof *generations, protection, flags, -1, 0);
    if (pages == MAP_FAILED || generations == MAP_FAILED)
        return 0;
    for (size_t page = 0; page < page_count; page++)
        for (size_t word = 0; word < WORDS; word++)
            pages[page * WORDS + word] = expected(page, word, 0);
    return 1;
}

/* ---- disk -------------------------------------------------------------------------------------------------- */

static void *disk_worker(void *unused)
{
    int disk = open("/dev/vda", O_RDWR | O_DIRECT | O_SYNC);
    uint64_t *out = aligned_alloc(SECTOR, SECTOR), *in = aligned_alloc(SECTOR, SECTOR);
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    for (uint64_t round = 1;; round++) {
        pause_until(&at, 1000000000);
        for (size_t word = 0; word < SECTOR / 8; word++)
            out[word] = mix(round << 10 | word);
        off_t where = (off_t)(round % 256) * SECTOR;
        if (pwrite(disk, out, SECTOR, where) != SECTOR || pread(disk, in, SECTOR, where) != SECTOR ||
            memcmp(out, in, SECTOR))
            disk_errors++;
    }
    return unused;
}

/* ---- power button ------------------------------------------------------------------------------------------ */

static void *button_worker(void *unused)
{
    struct pollfd inputs[4]; /* the keyboard comes first on some machine types: listen to all */
    struct input_event event;
    for (int i = 0; i < 4; i++) {
        char path[] = "/dev/input/event0";
        path[sizeof path - 2] += i;
        inputs[i] = (struct pollfd){.fd = open(path, O_RDONLY), .events = POLLIN};
    }
    while (poll(inputs, 4, -1) > 0)
        for (int i = 0; i < 4; i++)
            if (inputs[i].revents && read(inputs[i].fd, &event, sizeof event) == sizeof event &&
                event.type == EV_KEY && event.code == KEY_POWER && event.value) {
                sync();
                reboot(RB_POWER_OFF);
            }
    return unused;
}

/* ---- network and beat -------------------------------------------------------------------------------------- */

static struct sockaddr_in address(const char *text, int port)
{
    struct sockaddr_in result = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, text, &result.sin_addr);
    return result;
}

static int prepare_network(void)
{
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct ifreq request = {.ifr_name = "eth0"};
    struct sockaddr_in own = address(option("sf.ip", "0.0.0.0"), 0), mask = own;
    mask.sin_addr.s_addr = htonl(~0u << (32 - atoi(option("sf.prefix", "24"))));
    memcpy(&request.ifr_addr, &own, sizeof own);
    ioctl(udp, SIOCSIFADDR, &request);
    memcpy(&request.ifr_netmask, &mask, sizeof mask);
    ioctl(udp, SIOCSIFNETMASK, &request);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    ioctl(udp, SIOCSIFFLAGS, &request);
    return udp;
}

static int prepare_serial(void)
{
    int serial = open("/dev/ttyS0", O_WRONLY | O_NOCTTY | O_NONBLOCK);
    struct termios raw;
    if (!tcgetattr(serial, &raw)) {
        cfmakeraw(&raw);
        cfsetspeed(&raw, B115200);
        tcsetattr(serial, TCSANOW, &raw);
    }
    return serial;
}

static void read_cmdline(void)
{
    int file = open("/proc/cmdline", O_RDONLY);
    if (file < 0 || read(file, cmdline, sizeof cmdline - 1) < 0)
        perror("cmdline");
    close(file);
}

int main(void)
{
    read_cmdline();
    const char *name = option("sf.name", "unnamed");
    int serial = prepare_serial(), udp = prepare_network();
    struct sockaddr_in to = address(option("sf.to", "0.0.0.0"), atoi(option("sf.port", "9999")));
    uint64_t nonce = 0;
    while (getrandom(&nonce, sizeof nonce, 0) != sizeof nonce)
        ;
    int filled = prepare_memory(); /* before the first beat, so that whoever sees a beat sees the guest's real size */
    pthread_t thread;
    if (filled)
        pthread_create(&thread, NULL, memory_worker, NULL);
    pthread_create(&thread, NULL, disk_worker, NULL);
    if (!atoi(option("sf.deaf", "0")))
        pthread_create(&thread, NULL, button_worker, NULL);

    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    for (unsigned long counter = 1;; counter++) {
        char line[256];
        int length = snprintf(line, sizeof line, "beat %s %016llx %lu", name, (unsigned long long)nonce, counter);
        if (disk_errors)
            length += snprintf(line + length, sizeof line - length, " diskerr=%lu", disk_errors);
        if (memory_errors || !filled)
            length += snprintf(line + length, sizeof line - length, " memerr=%lu", memory_errors + !filled);
        sendto(udp, line, length, 0, (struct sockaddr *)&to, sizeof to);
        line[length++] = '\n';
        if (write(serial, line, length) < 0 && errno != EAGAIN)
            return 1; /* init powers off: a guest that cannot speak is a dead guest */
        pause_until(&at, 100000000);
    }
}
