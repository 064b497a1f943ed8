# Visits what listen.pl holds open on other hosts, all at once. Argument: SECONDS for all together.
# Standard input: `NAME URI ADDRESS TOKEN PORT...` lines. Prints `data|NAME PORT open` or `data|NAME PORT WORDS`.
use strict;
use warnings;
use IO::Select;
use IO::Socket::IP;

my $end = time + shift;
my ($writing, $reading) = (IO::Select->new, IO::Select->new);
my %open;
$SIG{PIPE} = "IGNORE";

sub told {
    my ($entry, $words) = @_;
    $words =~ tr/\n/ /;
    print "data|$entry->{name} $entry->{port} $words\n";
    my $socket = delete $entry->{socket} or return;
    delete $open{fileno $socket};
    $writing->remove($socket);
    $reading->remove($socket);
    close $socket;
}

while (my $line = <STDIN>) {
    my ($name, undef, $address, $token, @ports) = split " ", $line;
    next if !defined $address or $address eq "-";
    for my $port (@ports) {
        my $entry = { name => $name, port => $port, token => $token, left => 65536, got => "" };
        my $socket = IO::Socket::IP->new(PeerHost => $address, PeerPort => $port, Blocking => 0);
        if (!$socket) { told($entry, "$@"); next }
        $entry->{socket} = $socket;
        $open{fileno $socket} = $entry;
        $writing->add($socket);
    }
}
while (%open and (my $wait = $end - time) > 0) {
    my ($readable, $writable) = IO::Select->select($reading, $writing, undef, $wait);
    for my $socket (@{ $writable || [] }) {
        my $entry = $open{fileno $socket} or next;
        if (!$entry->{connected} and !$socket->connect and !$!{EISCONN}) {
            told($entry, "$!") unless $!{EINPROGRESS} or $!{EALREADY};
            next;
        }
        $entry->{connected} = 1;
        my $sent = syswrite $socket, "x" x $entry->{left};
        if (defined $sent) { $entry->{left} -= $sent }
        elsif (!$!{EAGAIN}) { told($entry, "$!"); next }
        if ($entry->{left} <= 0) { $writing->remove($socket); $reading->add($socket) }
    }
    for my $socket (@{ $readable || [] }) {
        my $entry = $open{fileno $socket} or next;
        my $count = sysread $socket, my $bytes, 4096;
        next if !defined $count and $!{EAGAIN};
        $entry->{got} .= $bytes if $count;
        next if $count and $entry->{got} !~ /\n/;
        told($entry, $entry->{got} eq "$entry->{token}\n" ? "open" : "another machine answers there");
    }
}
for my $entry (values %open) {
    told($entry, $entry->{connected} ? "connects, but full packets do not come through" : "no answer");
}
