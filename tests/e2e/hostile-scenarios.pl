# SPDX-License-Identifier: ISC
# Hostile scenario files for tests/e2e/hostile-scenarios.sh.  The same in every run.
#
#   hostile-scenarios.pl cuts|lines|swaps|bytes|words FROM TO     variants of every file of FROM into TO
#   hostile-scenarios.pl statements TO              strange statements, one a file
#   hostile-scenarios.pl complain FROM OUTPUT       each file of FROM that is complained of must be
#                                                   so with file, line, column, the line and a caret;
#                                                   prints what is not, and removes the complained of
use strict;
use warnings;

my $state = 42;
sub chance {
    my ($below) = @_;
    $state = ($state * 1103515245 + 12345) % 2147483648;
    return ($state >> 8) % $below;
}
sub slurp {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!";
    local $/;
    return scalar <$file>;
}
my $made = 0;
sub spew {
    my ($to, $name, $content) = @_;
    my $path = sprintf '%s/%05d-%s.scenario', $to, $made++, $name;
    open my $file, '>:raw', $path or die "$path: $!";
    print $file $content;
    close $file or die "$path: $!";
}
sub each_file {
    my ($from, $do) = @_;
    for my $path (sort glob "$from/*.scenario") {
        (my $name = $path) =~ s{.*/(\d*).*}{$1};
        $do->($name, slurp($path));
    }
}

sub cuts {
    my ($from, $to) = @_;
    each_file($from, sub {
        my ($name, $text) = @_;
        spew($to, $name, substr $text, 0, $_) for 0 .. length($text) - 1;
    });
}
sub lines { # each line deleted, doubled, indented, not indented
    my ($from, $to) = @_;
    each_file($from, sub {
        my ($name, $text) = @_;
        my @lines = split /^/, $text;
        for my $i (0 .. $#lines) {
            my @left = @lines;
            splice @left, $i, 1;
            spew($to, "$name-deleted", join '', @left);
            spew($to, "$name-doubled", join '', @lines[0 .. $i], @lines[$i .. $#lines]);
            for my $indent ('', ' ', '    ', '        ', "\t", ' ' x 400) {
                @left = @lines;
                $left[$i] =~ s/^\s*/$indent/;
                spew($to, "$name-indented", join '', @left);
            }
        }
    });
}
sub swaps {
    my ($from, $to) = @_;
    each_file($from, sub {
        my ($name, $text) = @_;
        my @lines = split /^/, $text;
        for my $i (0 .. $#lines) {
            for my $k ($i + 1, chance(scalar @lines)) {
                my @left = @lines;
                next if $k > $#lines;
                @left[$i, $k] = @left[$k, $i];
                spew($to, "$name", join '', @left);
            }
        }
        spew($to, "$name-reversed", join '', reverse @lines);
    });
}
sub bytes { # one byte changed, put in, or a piece put elsewhere
    my ($from, $to) = @_;
    each_file($from, sub {
        my ($name, $text) = @_;
        for my $byte ("\0", "\r", "\t", "\n", '"', '\\', '$', '#', '|', ' ', "\xff", "\x80", "\x1b", '9', '-', '*') {
            my $at = chance(length $text);
            my $other = $text;
            substr($other, $at, 1) = $byte;
            spew($to, $name, $other);
            $other = $text;
            substr($other, chance(length $text), 0) = $byte;
            spew($to, $name, $other);
        }
        for (1 .. 10) {
            my $other = $text;
            my $piece = substr $other, chance(length $text), chance(30), '';
            substr($other, chance(length $other), 0) = $piece;
            spew($to, $name, $other);
        }
    });
    spew($to, 'random', join '', map { chr chance(256) } 1 .. 2000) for 1 .. 10;
    spew($to, 'random-text', join '', map { (' ', "\n", "\n    ", 'at', 'host', 'a', '"', '0s', '|')[chance(9)] } 1 .. 2000) for 1 .. 20;
}
my @odd = ('any', 'dns', 'm1#0', 'm1#2', '::1', '192.0.2.999', 'first', '"first"', '200%', 'a..b', '99999999999999999999', '-1', '0', '1e9', '""', '"\x00"', '${', '${x}', '*', '@', 'm1@', '.', '..', '/', '5m-1s', '9223372036854775807s', '99999999d',
    'a' x 300, '"unclosed', '\\', '?*?*?*?*', 'm1.bounce.bounce.bounce', 'm1.99999999999', '/dev/zero', '|', "\xff");
sub words { # each word replaced by an odd one, or left out
    my ($from, $to) = @_;
    each_file($from, sub {
        my ($name, $text) = @_;
        my @words = split /( +|\n)/, $text;
        for my $i (0 .. $#words) {
            next if $words[$i] =~ /^\s*$/;
            my @left = @words;
            for my $odd ($odd[chance(scalar @odd)], $odd[chance(scalar @odd)], '') {
                $left[$i] = $odd;
                spew($to, $name, join '', @left);
            }
        }
    });
}

my $story = "host mail example.com\n    user alice\n    user bob\n    program p\nat 0s alice sends m1 to bob\@example.com\n";
my @statements = (
    'include .', 'include /dev/zero', 'include nowhere', 'include ""', 'file m1 /dev/zero', 'file m1 .', 'file m1 nowhere',
    'file m1 /proc/self/mem', 'clock 9999-99-99 99:99:99', 'clock 0000-00-00 00:00:00', 'clock 2026-02-30 00:00:00', 'clock 999999-01-01 00:00:00',
    'until 0s', 'until 999999999999d', 'until -1s', 'until 106751991167300d', 'param a', 'param 1 2', 'param a ${a}', 'param a b c',
    'host mail', 'host mail example.com', "host b b.example\n    disk floppy", "host b b.example\n    capacity 0 blocks", "host b b.example\n    capacity 99999999999999999999 bytes",
    "host b b.example\n    capacity 1 bytes", "host b b.example\n    control ../me x", "host b b.example\n    control me\n        | a\n        | b", "host b b.example\n    user ../x",
    "host b b.example\n    user root", "host b b.example\n    user alice\n        qmail -../x", "host b b.example\n    user alice\n        maildir ../../x",
    "host b b.example\n    user alice\n        mode 99999", "host b b.example\n    alias a/b", "host b b.example\n    program p\n        exit 256",
    "host b b.example\n    program p\n        exit signal NOPE", "host b b.example\n    program p\n        exit 0 first 99999999999", "host b b.example\n    program p\n        exit 0 takes 999999999d",
    'at 0s alice sends m2 to', 'at 0s alice sends m2 to @', 'at 0s alice sends m2 to "a b"@x', 'at 0s alice sends m2 to a@x times 0', 'at 0s alice sends m2 to a@x times 100001',
    'at 0s alice sends m2 to a@x times 99999999999 every 0s', 'at 0s alice sends m1 to a@x', 'at 0s nobody sends m2 to a@x', 'at 0s alice sends m2 with m2 to a@x',
    'at 0s alice on nowhere sends m2 to a@x', 'at 99999999999999d alice sends m2 to a@x', 'after m1 crash mail power', 'after m9 accepted boot mail', 'after m1 enters S6 boot mail',
    'before m1 enters S0 crash mail power keep S9', 'at 0s boot mail', 'at 0s crash mail power keep everything', 'at 0s kill init', 'at 0s kill queue on nowhere', 'at 0s signal send NOPE',
    'at 0s mail disk free -1 blocks', 'at 0s mail disk free 99999999999999999999 bytes', 'at 0s clock forward 99999999999d', 'at 0s clock back 999999d',
    'fault queue open 0 EIO', 'fault queue open 1 ENOPE', 'fault nothing open 1 EIO', 'fault queue nothing 1 EIO', 'fault queue open 99999999999999999999 EIO', 'fault queue open 1 EIO times 0',
    'expect m1', 'expect m1 accepted at', 'expect m1 delivered 0 times', 'expect m1 delivered -1 times', 'expect m1 delivered once once', 'expect m1 in S9 at 0s', 'expect m1 in S5 in 5m..1m',
    'expect m9 accepted', 'expect m1.7 accepted', 'expect m1@x@y delivered', 'expect program q ran', 'expect log', 'expect log ""', 'expect mbox alice/../../x holds 0 messages',
    'expect mail spool holds 99999999999999999999 messages', 'expect nowhere spool empty', 'allow duplicate m9', 'allow', 'expect', 'at', 'at 0s', 'after', 'before', 'fault', 'host', 'user x',
    'remote', 'remote any', 'remote mail', 'remote dns', "remote r\n    serves", "remote r\n    serves a..b", "remote r\n    serves " . 'a' x 300, "remote r\n    serves example.com",
    "remote r\n    serves a.b\nremote s\n    serves a.b\n    name mx.a.b", "remote r\n    address ::1", "remote r\n    address 0.0.0.0", "remote r\n    address 1.2.3.4\n    address 1.2.3.4",
    "remote r\n    address fe80::1%eth0", "remote r\n    extensions " . 'X ' x 2000, "remote r\n    extensions \"A\\r\\nB\"", "remote r\n    extensions", "remote r\n    no-ehlo\n    extensions A",
    "remote r\n    on", "remote r\n    on ok", "remote r\n    on any", "remote r\n    on RCPT first", "remote r\n    on RCPT first 0 ok", "remote r\n    on RCPT first 1 first 1 ok",
    "remote r\n    on RCPT over 99999999999 per 1s ok", "remote r\n    on RCPT over 1 per 99999999999d ok", "remote r\n    on RCPT first 1 by ok", "remote r\n    on RCPT chance 101% ok", "remote r\n    on RCPT chance % ok",
    "remote r\n    on RCPT from 5s until 5s ok", "remote r\n    on RCPT delay 1us ok", "remote r\n    on RCPT reply 999 x", "remote r\n    on RCPT reply 550 \"" . 'x' x 60000 . '"', "remote r\n    on RCPT reply 550 \"\\x00\"",
    "remote r\n    on RCPT reply 550 x cut -1 bytes", "remote r\n    on RCPT raw", "remote r\n    on EOD take", "remote r\n    on EOD take bounce after 5m status 9.9.9 x", "remote r\n    on MESSAGE slow 0 bytes per 0s",
    "remote r\n    on connect close after 99999999999999999999 bytes", "remote r\n    on connect \"" . '*?' x 1000 . '" close', "remote r\n" . "    on any ok\n" x 9000, "remote r\n        on any ok\n    on any ok",
    'client', 'client any', 'client alice', "client alice\nat 0s alice sends m2 to a\@x", "client c\n    retry", "client c\n    retry every 0s until accepted", "client c\n    retry every 5m times 99999999999", "client c\n    no",
    "client c\n    helo \"\"", "client c\n    chunk 1 bytes every -1s", "client c\n    cut after bytes", "client c\n    auth", "client c\nat 0s c sends m2 to a\@x via nowhere", "client c\nat 0s c on mail sends m2 to a\@x",
    "client c\nat 0s c sends m2 to " . 'a@x ' x 4000, 'dns a b', "dns\ndns d", "dns\n    record", "dns\n    record . 0 A 1.2.3.4", "dns\n    record a.b 0 A 1.2.3", "dns\n    record a.b 99999999999 A 1.2.3.4", "dns\n    record a.b 0 MX 99999 c.d",
    "dns\n    record a.b 0 TXT " . 'x ' x 2000, "dns\n    record a.b 0 CNAME a.b", "dns\n    record a.b 0 CNAME c.d\n    record A.B 0 CNAME e.f", "dns\n    record a.b 0 SOA a.b c.d 1 2 3 4", "dns\n    no", "dns\n    no zone .", "dns\n    on", "dns\n    on *",
    "dns\n" . "    record a.b 0 A 1.2.3.4\n" x 6000, "dns\n    on * MX late", "dns\n    on * truncate only only", 'network', 'network any', 'network any to any', 'network mail to mail open', 'network any to any delay 1d delay 1d',
    'network any to mail bandwidth 99999999999999999999 bytes', 'network any to mail reset', 'network any to mail silent after -1 bytes from client', 'network any to mail reset after 5 bytes from nobody', 'network any to mail open reset after 5 bytes from client',
    'match', 'match m1 to x', 'match m2', 'match m2 to "" from "" subject ""', "match m2 to x\nat 0s alice sends m2 to a\@x", 'at 0s mail stops', 'at 0s mail explodes', 'at 0s dns down', 'at 0s dns stops', 'at 0s network', 'at 0s network any to mail refuse',
    'after mail takes m1 boot mail', 'after dns connected boot mail', 'after m1 tried at boot mail', 'after m1 tried at nobody@x boot mail', 'before m1 bounced boot mail', 'after m1#99999999999 bounced boot mail', 'after m1#2#3 bounced boot mail', 'after m1.bounce#2 bounced boot mail',
    'expect m1 tried', 'expect m1 tried at', 'expect m1 tried at 5m 5m', 'expect m1 tried at m1 m1', 'expect m1 bounced at m1', 'expect m1 bounced at m1 bounced at m1 bounced +5m', 'expect m1 bounced in m1 5m', 'expect m1 bounced status',
    "expect m1 bounced\n    status", "expect m1 bounced\n    original", "expect m1 delivered\n    action x", 'expect dns asked', 'expect dns asked x 5 times 6 times', 'expect mail took m1', 'expect m1 accepted by crash', 'expect m1 accepted by crash crash',
    join("\n", map { "remote r$_" } 1 .. 1100), 'host x x.example' . "\n    relay from mail" x 3000, "host x x.example\n    relay from " . '10.0.0.1 ' x 4000, "host x x.example\n    relay", "host x x.example\n    relay from nobody",
    "host x x.example\n    address 192.0.2.10", "host x x.example\n    smtp 25", 'host x "not a domain"',
    '"', '""', '"" ""', '|', '| text', '    | text', '    indented', "\tat 0s", '#', '# ' . 'x' x 70000, 'x ' x 5000, 'x' x 70000, 'expect ' . 'm1 ' x 4000,
    'expect log "' . '*?' x 1000 . '"', 'expect m1 delivered to ' . '*' x 5000,
);
sub statements {
    my ($to) = @_;
    spew($to, 'one', "$story$_\n") for @statements;
    spew($to, 'alone', "$_\n") for @statements;
    spew($to, 'many', $story . "expect m1 accepted\n" x 20000);
    spew($to, 'deep', join '', map { ' ' x (4 * $_) . "host a a.example\n" } 0 .. 2000);
    spew($to, 'braces', '{' x 100000);
    spew($to, 'text', "file a\n" . "    | text\n" x 300000);
    spew($to, 'crlf', join '', map { "$_\r\n" } split /\n/, $story);
    spew($to, 'bom', "\xef\xbb\xbf$story");
    spew($to, 'utf16', join '', map { "$_\0" } split //, $story);
}

# Complaints look so: FILE:LINE:COLUMN: TEXT, then "LINE | the line" and a caret below.
sub complain {
    my ($from, $output) = @_;
    my (%complained, $last, $shown);
    for my $line (split /\n/, slurp($output) // '') {
        if ($line =~ /^(\Q$from\E\/[^:]*):(\d+):(\d+): \S/) {
            $complained{$1} = 1;
            $last = $2;
            $shown = 0;
        } elsif (defined $last && $line =~ /^\Q$last\E \|/) {
            $shown = 1;
        } elsif ($shown && $line =~ /^ *\| *\^+$/ || $line =~ /^and \d+ more$/) {
        } elsif ($line =~ /^(\Q$from\E\/[^:]*): \S/) {
            $complained{$1} = 1;
        } else {
            print "strange: ", substr($line, 0, 200), "\n";
        }
    }
    unlink keys %complained;
    my $left = () = glob "$from/*.scenario";
    printf "%d complained of, %d left\n", scalar keys %complained, $left;
}

my ($what, @rest) = @ARGV;
my %verbs = (cuts => \&cuts, lines => \&lines, swaps => \&swaps, bytes => \&bytes, words => \&words,
    statements => \&statements, complain => \&complain);
($verbs{$what} || die "hostile-scenarios.pl: $what?")->(@rest);
