# SPDX-License-Identifier: ISC
# Hostile bytes for tests/e2e/hostile.sh.  All of it is the same in every run.
#
#   hostile.pl bytes SEED COUNT             pseudo-random bytes
#   hostile.pl cut FILE LENGTH              its first LENGTH bytes
#   hostile.pl lines COUNT TEXT             TEXT and its number, again and again
#   hostile.pl envelope COUNT               an envelope for so many recipients
#   hostile.pl damage QUEUE OUTSIDE KIND NUMBER...
#                                           damages KIND/NUMBER, each NUMBER in another way;
#                                           prints "NUMBER WAY"
#   hostile.pl ways                         prints how many ways there are
#   hostile.pl client SOCKET CASE [SEED]    talks to the staying queue; prints its answers
#   hostile.pl crowd SOCKET COUNT           connects so often, all at once; prints how often that
#                                           was refused
use strict;
use warnings;
use Fcntl;
use Socket;

my $state = 1;
sub chance { # 15 bits (POSIX's example generator)
    $state = ($state * 1103515245 + 12345) % 2147483648;
    return ($state >> 16) & 32767;
}
sub bytes {
    my ($count) = @_;
    return join '', map { chr(chance() & 255) } 1 .. $count;
}

sub slurp {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!";
    local $/;
    my $content = <$file>;
    return defined $content ? $content : '';
}
sub spew {
    my ($path, $content) = @_;
    unlink $path;
    open my $file, '>:raw', $path or die "$path: $!";
    print $file $content;
    close $file or die "$path: $!";
}

# --- damage -----------------------------------------------------------------------------------
my @ways;
for my $length (0, 1, 6, 30, 62, 63, 64, 101, 102, 110) {
    push @ways, ["cut-$length", sub { spew($_[0], substr $_[1], 0, $length) }];
}
for my $part (0.5, 0.8, 1) {
    push @ways, ["cut-at-$part", sub { spew($_[0], substr $_[1], 0, int(length($_[1]) * $part) - 1) }];
}
for my $at (0, 7, 13, 14, 33, 34, 44, 46, 61, 62, 63, 64, 66, 80, 101, 102, 103) {
    push @ways, ["flip-$at", sub {
        my ($path, $content) = @_;
        substr($content, $at < length $content ? $at : -1, 1) ^= chr(1 << $at % 8);
        spew($path, $content);
    }];
}
push @ways, (
    ['zeros', sub { spew($_[0], "\0" x length $_[1]) }],
    ['random', sub { spew($_[0], bytes(length $_[1])) }],
    ['longer', sub { spew($_[0], "$_[1]Tx\@y\0") }],
    ['doubled', sub { spew($_[0], $_[1] . $_[1]) }],
    ['huge', sub { spew($_[0], $_[1]); truncate $_[0], 100 << 20 }],
    ['length-lies', sub {
        my ($path, $content) = @_;
        substr($content, 35, 10) = '9999999999' if length $content > 45;
        spew($path, $content);
    }],
    ['directory', sub { unlink $_[0]; mkdir $_[0] or die; spew("$_[0]/x", 'x') }],
    ['fifo', sub { unlink $_[0]; system('mkfifo', $_[0]) == 0 or die }],
    ['link', sub { # to the very bytes that stood there
        my ($path, $content, $outside) = @_;
        spew($outside, $content);
        unlink $path;
        symlink $outside, $path or die;
    }],
    ['link-nowhere', sub { unlink $_[0]; symlink '/nowhere', $_[0] or die }],
    ['link-loop', sub { unlink $_[0]; (my $name = $_[0]) =~ s{.*/}{}; symlink $name, $_[0] or die }],
    ['socket', sub {
        unlink $_[0];
        socket my $fd, PF_UNIX, SOCK_STREAM, 0 or die;
        bind $fd, pack_sockaddr_un($_[0]) or die "$_[0]: $!";
    }],
    ['unreadable', sub { chmod 0, $_[0] or die }],
    ['gone', sub { unlink $_[0] }],
);

sub damage {
    my ($queue, $outside, $kind, @numbers) = @_;
    chdir $queue or die;
    for my $i (0 .. $#numbers) {
        my $way = $ways[$i % @ways];
        my $path = "$kind/$numbers[$i]";
        # the last three get each other's file, or another kind of their own
        if ($i == $#numbers && @numbers > @ways) {
            my @other = grep { $_ ne $kind && -f "$_/$numbers[$i]" } qw(info todo local remote mess);
            spew($path, slurp("$other[0]/$numbers[$i]"));
            print "$numbers[$i] other-kind\n";
        } elsif ($i == $#numbers - 1 && @numbers > @ways + 1) {
            spew($path, slurp("$kind/$numbers[$i + 1]"));
            print "$numbers[$i] other-number\n";
        } else {
            $way->[1]->($path, slurp($path), "$outside/$kind.$numbers[$i]");
            print "$numbers[$i] $way->[0]\n";
        }
    }
}

# --- the staying queue's clients --------------------------------------------------------------
sub connect_to {
    my ($path) = @_;
    socket my $fd, PF_UNIX, SOCK_STREAM, 0 or die;
    return connect($fd, pack_sockaddr_un($path)) ? $fd : undef;
}
sub message {
    my ($text, $envelope) = @_;
    return "Q1\n" . pack('N', length $text) . $text . pack('N', 0) . pack('N', length $envelope) . $envelope;
}
my $good = message("Subject: by hand\n\nbody\n", "Fs\@x.example\0Tnobody\@remote.example\0\0");

# What is sent; an answer is waited for unless the client goes at once.
my %cases = (
    random => sub { bytes(5000) },
    magic => sub { "Q2\n" . substr $good, 3 },
    'half-magic' => sub { 'Q1' },
    'huge-chunk' => sub { "Q1\n\xff\xff\xff\xff" . bytes(1000) },
    'huge-envelope' => sub { "Q1\n" . pack('NN', 0, 0xffffffff) . "F\0\0" },
    'large-envelope' => sub { "Q1\n" . pack('NN', 0, (16 << 20) + 1) . 'F' . "\0" x (16 << 20) },
    'empty-envelope' => sub { message('x', '') },
    'cut-envelope' => sub { message('x', "Fa\0Tb") },
    'no-end' => sub { message('x', "Fa\0Tb\0") },
    'behind-end' => sub { message('x', "Fa\0Tb\0\0Tc\0") },
    'no-sender' => sub { message('x', "Tb\0\0") },
    'long-address' => sub { message('x', "Fa\0T" . 'b' x 1003 . "\0\0") },
    'very-long-address' => sub { message('x', "Fa\0T" . 'b' x 100000 . "\0\0") },
    'random-envelope' => sub { message('x', bytes(300)) },
    'bad-then-good' => sub { message('x', "X\0\0") . $good },
);

sub client {
    my ($path, $case) = @_;
    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = sub { print "no answer\n"; exit 0 };
    if ($case eq 'all-cuts') { # goes at every byte of a message
        for my $length (0 .. length($good) - 1) {
            my $fd = connect_to($path) or die "connect: $!";
            syswrite $fd, substr($good, 0, $length);
            close $fd;
        }
        return;
    }
    my $fd = connect_to($path) or die "connect: $!";
    if ($case eq 'never-reads') { # many messages, no answer is taken
        alarm 20;
        my $bad = message('x', "X\0\0") x 50;
        fcntl($fd, F_SETFL, O_NONBLOCK) or die;
        my $sent = 0;
        for (1 .. 20000) {
            my $count = syswrite $fd, $bad;
            if (defined $count) { $sent += $count }
            elsif ($!{EAGAIN}) { select undef, undef, undef, 0.001 }
            else { print "let go\n"; return }
        }
        print "still there\n";
        return;
    }
    alarm 10;
    if ($case eq 'slow') {
        for my $byte (split //, $good) {
            syswrite $fd, $byte;
            select undef, undef, undef, 0.001;
        }
    } else {
        my $bytes = $case eq 'good' ? $good : $cases{$case}->();
        my $at = 0;
        while ($at < length $bytes) {
            my $count = syswrite $fd, $bytes, 65536, $at;
            last unless defined $count;
            $at += $count;
        }
        shutdown $fd, 1;
    }
    while (my $line = <$fd>) { $line =~ s/^0 [1-9]\d*$/0 N/; print $line; last if $case eq 'slow' }
}

sub crowd {
    my ($path, $count) = @_;
    my ($refused, @all) = (0);
    for (1 .. $count) {
        my $fd = connect_to($path);
        if ($fd) { push @all, $fd } else { $refused++ }
    }
    for (1 .. 200) { # who was let in and refused is told so, soon
        my @waiting;
        for my $fd (@all) {
            my $readable = '';
            vec($readable, fileno $fd, 1) = 1;
            if (select $readable, undef, undef, 0) { $refused++; close $fd } else { push @waiting, $fd }
        }
        @all = @waiting;
        last if $refused >= $count - 1000;
        select undef, undef, undef, 0.05;
    }
    print "$refused\n";
}

my ($what, @rest) = @ARGV;
binmode STDOUT;
if ($what eq 'bytes') { $state = $rest[0]; print bytes($rest[1]) }
elsif ($what eq 'cut') { print substr slurp($rest[0]), 0, $rest[1] }
elsif ($what eq 'lines') { print "$rest[1]$_\n" for 1 .. $rest[0] }
elsif ($what eq 'envelope') { print "Fs\@x.example\0", (map { "Tuser$_\@remote.example\0" } 1 .. $rest[0]), "\0" }
elsif ($what eq 'ways') { print scalar @ways, "\n" }
elsif ($what eq 'damage') { damage(@rest) }
elsif ($what eq 'client') { $state = $rest[2] || 1; client(@rest) }
elsif ($what eq 'cases') { print "$_\n" for sort keys %cases }
elsif ($what eq 'crowd') { crowd(@rest) }
else { die "hostile.pl: $what?" }
