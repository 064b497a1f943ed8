# Arguments: serve ADDRESS TOKEN SECONDS, or send ADDRESS PORT TOKEN SECONDS MTU…, or beat ADDRESS PORT TOKEN SECONDS.
# The server prints `pid=N` and
# `port=N`, goes on by itself for SECONDS at most, counts what one visitor with the token sends over TCP, and
# says so; and sends back, over UDP at the same port, how long each packet with the token was. The sender prints
# `bits_per_second=N` and `mtu=N`, the largest that came through whole (with IP and UDP headers, IPv4 or IPv6).
# Beating asks the server twenty times a second over UDP and prints `answers=N` and `silent_seconds=N`, the longest
# time without an answer.
use strict;
use warnings;
use IO::Select;
use IO::Socket::IP;
use POSIX ();
use Socket qw(SOCK_DGRAM AF_INET6);

my $mode = shift @ARGV;
my $tick = POSIX::sysconf(POSIX::_SC_CLK_TCK());
sub clock { return (POSIX::times())[0] / $tick } # steady; Time::HiRes is not in perl-base
sub trouble { my $why = join "", @_; $why =~ tr/\n/ /; print "trouble=$why\n"; exit }

if ($mode eq "serve") {
    my ($address, $token, $seconds) = @ARGV;
    my $tcp = IO::Socket::IP->new(LocalHost => $address, LocalPort => 0, Listen => 4)
        or trouble "no port could be opened at $address: $@";
    my $port = $tcp->sockport;
    my $udp = IO::Socket::IP->new(LocalHost => $address, LocalPort => $port, Type => SOCK_DGRAM, Proto => "udp");
    my $child = fork;
    trouble "no process could be made: $!" unless defined $child;
    if ($child) { print "pid=$child\nport=$port\n"; exit }
    POSIX::setsid();
    close STDIN; close STDOUT; close STDERR;
    $SIG{PIPE} = "IGNORE";
    alarm $seconds;
    my $all = IO::Select->new(grep { defined } $tcp, $udp);
    my (%count, %since, %head);
    while (my @ready = $all->can_read) {
        for my $each (@ready) {
            if ($each == $tcp) {
                my $visitor = $tcp->accept or next;
                $count{fileno $visitor} = 0; $head{fileno $visitor} = "";
                $all->add($visitor);
            } elsif (defined $udp and $each == $udp) {
                my $from = recv $udp, my $packet, 65536, 0;
                send $udp, length($packet) . " $token", 0, $from
                    if defined $from and index($packet, $token) == 0;
            } else {
                my $number = fileno $each;
                my $got = sysread $each, my $bytes, 262144;
                if ($got and length $head{$number} < length $token) {
                    $head{$number} .= substr $bytes, 0, length $token;
                    if (index($head{$number}, $token) != 0) { $all->remove($each); close $each; next }
                    $since{$number} = clock();
                }
                if ($got) { $count{$number} += $got; next }
                my $span = clock() - ($since{$number} || clock());
                syswrite $each, "$count{$number} $span\n";
                $all->remove($each); close $each;
            }
        }
    }
    exit;
}

my ($address, $port, $token, $seconds, @mtus) = @ARGV;
if ($mode eq "beat") {
    my $udp = IO::Socket::IP->new(PeerHost => $address, PeerPort => $port, Type => SOCK_DGRAM, Proto => "udp")
        or trouble "no way to $address: $@";
    my $wait = IO::Select->new($udp);
    my ($answers, $longest, $last) = (0, 0, clock());
    my ($end, $refused) = ($last + $seconds, 0);
    while ((my $now = clock()) < $end and $refused < 20) { # refused: the server has ended
        send $udp, $token, 0; # whether it goes out is not asked: what counts is whether an answer comes
        my $next = $now + 0.05;
        while ((my $left = $next - clock()) > 0) {
            $wait->can_read($left) or last;
            my $from = recv $udp, my $answer, 200, 0;
            $refused++ if !defined $from and $! == POSIX::ECONNREFUSED();
            next unless defined $from;
            my $at = clock();
            $longest = $at - $last if $at - $last > $longest;
            ($answers, $last) = ($answers + 1, $at);
        }
    }
    $longest = clock() - $last if clock() - $last > $longest;
    printf "answers=%d\nsilent_seconds=%.2f\n", $answers, $longest;
    exit;
}
$SIG{PIPE} = "IGNORE";
$SIG{ALRM} = sub { trouble "no answer from $address within ", $seconds + 8, " s" };
alarm $seconds + 8;
my $tcp = IO::Socket::IP->new(PeerHost => $address, PeerPort => $port, Timeout => 4)
    or trouble "no connection to $address: $@";
my $block = $token . ("x" x (262144 - length $token));
my $end = clock() + $seconds;
while (clock() < $end) { defined syswrite $tcp, $block or trouble "the connection to $address broke: $!" }
$tcp->shutdown(1);
my $line = <$tcp>;
trouble "$address did not say what came through" unless defined $line and $line =~ /^(\d+) ([\d.]+)$/ and $2 > 0;
printf "bits_per_second=%.0f\n", 8 * $1 / $2;

my $udp = IO::Socket::IP->new(PeerHost => $address, PeerPort => $port, Type => SOCK_DGRAM, Proto => "udp");
my $six = $udp && $udp->sockdomain == AF_INET6;
if ($udp and setsockopt $udp, $six ? 41 : 0, $six ? 23 : 10, 2) { # IP(V6)_MTU_DISCOVER: never cut a packet up
    my $wait = IO::Select->new($udp);
    MTU: for my $mtu (sort { $b <=> $a } @mtus) {
        my $size = $mtu - ($six ? 48 : 28);
        next if $size < length $token;
        for (1 .. 2) {
            next MTU unless defined send $udp, $token . ("x" x ($size - length $token)), 0;
            next unless $wait->can_read(0.3);
            next unless defined recv $udp, my $answer, 200, 0;
            if ($answer eq "$size $token") { print "mtu=$mtu\n"; last MTU }
        }
    }
}
