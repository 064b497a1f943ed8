# Holds a few ports open for a while, and proves to whoever visits them that data came through.
# Arguments: ADDRESS LEAST MOST TOKEN SECONDS. Prints `pid=N` and `port=N` lines, or `trouble=WORDS`; a process of
# that number goes on by itself until it is ended, or for SECONDS.
# Each visitor sends 64 KiB, so that packets of full size must have come through, and is told TOKEN.
use strict;
use warnings;
use IO::Select;
use IO::Socket::IP;
use POSIX ();

my ($address, $least, $most, $token, $seconds) = @ARGV;
my (@listeners, $why);
for my $from ($least, int(($least + $most) / 2), $most) {
    for my $step (0 .. 15) {
        my $port = $from == $most ? $from - $step : $from + $step;
        last if $port < $least or $port > $most;
        next if grep { $_->sockport == $port } @listeners;
        my $listener = IO::Socket::IP->new(
            LocalHost => $address, LocalPort => $port, Listen => 64, ReuseAddr => 1);
        if ($listener) { push @listeners, $listener; last }
        $why = "$@";
    }
}
if (!@listeners) {
    $why = "no port of the range is free" unless defined $why and length $why;
    $why =~ tr/\n/ /;
    print "trouble=$why\n";
    exit;
}
my $child = fork;
if (!defined $child) {
    print "trouble=no process could be made: $!\n";
    exit;
}
if ($child) {
    print "pid=$child\n";
    print "port=", $_->sockport, "\n" for @listeners;
    exit;
}
POSIX::setsid();
close STDIN;
close STDOUT;
close STDERR;
$SIG{PIPE} = "IGNORE";
alarm $seconds;
my (%left, %waiting);
$waiting{fileno $_} = $_ for @listeners;
my $all = IO::Select->new(@listeners);
while (my @ready = $all->can_read) {
    for my $each (@ready) {
        my $number = fileno $each;
        if ($waiting{$number}) {
            my $visitor = $each->accept or next;
            $left{fileno $visitor} = 65536;
            $all->add($visitor);
            next;
        }
        my $count = sysread $each, my $bytes, 65536;
        $left{$number} -= $count || 0;
        next if $count and $left{$number} > 0;
        syswrite $each, "$token\n" if $left{$number} <= 0;
        $all->remove($each);
        close $each;
    }
}
