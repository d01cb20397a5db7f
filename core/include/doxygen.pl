#!/usr/bin/perl
# Public headers as Doxygen wants to read them (its INPUT_FILTER): our comments become its comments.
#   head comment         the file's description
#   comment, then code   describes every declaration of its paragraph: up to a blank line or the next comment
#   code; /* ... */      describes that line, beside the paragraph's comment
#   /* ---- x ---- */    begins a section; text behind the line describes those of its declarations that nothing else does
# "Example:" and an indented block behind it is code; other indented lines are a list ("name  what it is"), or, when they
# have more columns, kept as they are. Lists of rows (*.def) and macros of declarations (WAG_PROMISE_DECLARE) are expanded,
# so that what they make appears. What nothing describes stays bare: Doxygen warns of it, and warnings are errors.
# With --bare, instead: the names of functions that nothing describes, one a line (tests/lint/docs.sh).
use strict;
use warnings;

my $bare = @ARGV && $ARGV[0] eq '--bare' ? shift : '';
my $path = shift or die "usage: doxygen.pl [--bare] HEADER\n";
(my $folder = $path) =~ s{/?[^/]*$}{};
$folder =~ s{/waggle$}{};
(my $name = $path) =~ s{.*core/include/}{};

sub slurp {
    open my $file, '<', $_[0] or die "$_[0]: $!\n";
    local $/;
    return scalar <$file>;
}

# ---- comments ----

sub escape {
    my ($text) = @_;
    $text =~ s/([\\@<>#%&\$*`])/\\$1/g;
    $text =~ s/::/\\::/g;
    $text =~ s/"/&quot;/g;
    return $text;
}

# The inside of a comment without its stars.
sub inside {
    my ($comment) = @_;
    $comment =~ s{^/\*[ ]?}{};
    $comment =~ s{\s*\*/$}{};
    $comment =~ s{^[ \t]*\*[ ]?}{}mg;
    $comment =~ s{[ \t]+$}{}mg;
    return $comment;
}

# As Doxygen's markup.
sub markup {
    my ($text) = @_;
    my ($out, $in) = ('', '');
    for my $line (split /\n/, $text) {
        my ($indent) = $line =~ /^( *)/;
        $indent = length $indent;
        if ($in eq 'code' && ($indent >= 4 || $line eq '')) { $out .= ($line eq '' ? '' : substr $line, 4) . "\n"; next; }
        if ($in eq 'table' && $indent >= 1) { $out .= "$line\n"; next; }
        $out .= "\@endcode\n" if $in eq 'code';
        $out .= "\@endverbatim\n" if $in eq 'table';
        if ($line =~ /^ *Example:$/) { $out .= "\n\@code{.c}\n"; $in = 'code'; }
        elsif ($line eq '') { $out .= "\n"; $in = ''; }
        elsif ($indent >= 1 && $line =~ /^ +\S+(?: \S+)* {3,}\S+(?: \S+)* {3,}\S/) { $out .= "\n\@verbatim\n$line\n"; $in = 'table'; }
        elsif ($indent >= 1 && $line =~ /^ +(\S+(?:,? \S+)*?)(?: {2,}|(?<=:) )(\S.*)$/) {
            $out .= ($in eq 'list' ? '' : "\n") . '- **' . escape($1) . '** ' . escape($2) . "\n";
            $in = 'list';
        }
        elsif ($in eq 'list' && $indent >= 2) { $line =~ s/^ +//; $out .= '  ' . escape($line) . "\n"; }
        else { $out .= "\n" if $in eq 'list'; $in = ''; $line =~ s/^ +//; $out .= escape($line) . "\n"; }
    }
    $out .= "\@endcode\n" if $in eq 'code';
    $out .= "\@endverbatim\n" if $in eq 'table';
    return $out;
}

# ---- preprocessing ----

# Without what is there for C++ alone, for a compiler or for the thread analysis.
sub select_branches {
    my ($text) = @_;
    my ($out, @stack) = ('');
    my $hidden = sub { scalar grep { $_->[0] } @stack };
    for my $line (split /^/, $text) {
        if ($line =~ /^#\s*ifdef __cplusplus/) { push @stack, [1, 0]; }
        elsif ($line =~ /^#\s*ifndef __cplusplus/) { push @stack, [0, 1]; }
        elsif ($line =~ /^#\s*ifndef/) { push @stack, [0, 0]; }
        elsif ($line =~ /^#\s*if/) { push @stack, [1, 1]; }
        elsif ($line =~ /^#\s*el/) { $stack[-1][0] = $stack[-1][1]; }
        elsif ($line =~ /^#\s*endif/) { pop @stack; }
        elsif (!$hidden->()) { $out .= $line; next; }
        $out .= "\n" if $line =~ /^\s*$/;
    }
    return $out;
}

sub arguments {
    my ($text) = @_;
    my ($depth, $current, @found) = (0, '');
    for my $token ($text =~ /"(?:[^"\\]|\\.)*"|./gs) {
        $depth++ if $token eq '(';
        $depth-- if $token eq ')';
        if ($token eq ',' && !$depth) { push @found, $current; $current = ''; } else { $current .= $token; }
    }
    push @found, $current;
    s/^\s+|\s+$//g for @found;
    return @found;
}

my %macros; # name -> [names of arguments, body]
sub expand {
    my ($macro, @values) = @_;
    my ($names, $body) = @{$macros{$macro}};
    for my $i (0 .. $#$names) {
        my $value = $values[$i] // '';
        $body =~ s/(?:##)?\b\Q$names->[$i]\E\b(?:##)?/$value/g;
    }
    return $body;
}

# The rows of a list as enumerators; what a row has beside them describes them.
sub rows {
    my ($macro, $file) = @_;
    my ($names, $body) = @{$macros{$macro}};
    my $out = '';
    for my $line (split /\n/, slurp("$folder/$file")) {
        my ($given) = $line =~ /^$macro\((.*)\)\s*$/ or next;
        my @values = arguments($given);
        my @rest = map { $values[$_] } grep { $body !~ /\b\Q$names->[$_]\E\b/ } 0 .. $#$names;
        s/^"(.*)"$/$1/ for @rest;
        $out .= '/* ' . join(': ', reverse @rest) . " */\n" . expand($macro, @values) . "\n\n";
    }
    return $out;
}

# ---- declarations ----

my ($section_open, $section_text, $paragraph, @undescribed) = (0, '', undef);
my $out = '';

sub comment { return "/** " . markup($_[0]) . " */\n"; }

# The inside of a struct, union or enum.
sub members {
    my ($text) = @_;
    $text =~ s{^[ \t]*#define (\w+)\(([^)]*)\) (.*)\n\s*#include "([^"]+\.def)"\n\s*#undef .*}
              {$macros{$1} = [[arguments($2)], $3]; rows($1, $4)}me;
    my ($made, $doc) = ('');
    my $item = qr~([^;,{]*\{.*?\}\s*\w*\s*[;,]|[^;,]+(?:[;,]|$))~s;
    while ($text =~ m~\G(?:([ \t]*\n[ \t]*(?=\n))|(\s+)|(/\*.*?\*/)|$item[ \t]*(/\*.*?\*/)?)~gcs) {
        if (defined $1) { $doc = undef; }
        elsif (defined $3) { $doc = inside($3); }
        elsif (defined $4) {
            my $described = join "\n", grep { defined } $doc, defined $5 ? inside($5) : undef;
            $made .= comment($described) if $described ne '';
            $made .= "$4\n";
        }
    }
    return $made;
}

sub declaration {
    my ($text, $trailing) = @_;
    my $thread = $text =~ /\bWAG_API_ANY_THREAD\b/ ? 'any thread' : $text =~ /\bWAG_API\b/ ? 'owner thread' : '';
    $text =~ s/\b(WAG_API_ANY_THREAD|WAG_API|WASM_API_EXTERN)\b\s?//g;
    $text =~ s/\bown\b\s?//g if $name eq 'wasm.h' && $text !~ /\{/;
    $text =~ s/\bWAG_PRINTF\([^)]*\)//g;
    $text =~ s/\bWAG_THREAD_ATTRIBUTE\(\w*(\([^)]*\))?\)\s?//g;
    my $described = join "\n", grep { defined && /\S/ } $paragraph, defined $trailing ? inside($trailing) : undef;
    $described = $section_text if $described eq '';
    if ($text =~ /\A(.*?\b(?:struct|union|enum)\b[^;{(]*)\{(.*)\}([^}]*)\z/s) { $text = "$1\{\n" . members($2) . "}$3"; }
    elsif ($text =~ /\A(.*?\))\s*\{.*\}\s*\z/s) { $text = "$1;"; }
    if ($described ne '') {
        my $doc = markup($described);
        $doc .= "\n\@par Thread\n$thread\n" if $thread;
        $out .= "/** $doc */\n";
    }
    push @undescribed, $1 if $described eq '' && $text !~ /^\s*typedef/ && $text =~ /(\w+)\s*\(/;
    $out .= "$text\n";
}

sub read_header {
    my ($text) = @_;
    pos($text) = 0;
    while (pos($text) < length $text) {
        if ($text =~ /\G[ \t]*\n(?=[ \t]*\n)/gc) { $paragraph = undef; }
        elsif ($text =~ /\G\s+/gc) { }
        elsif ($text =~ m{\G/\*\s*-{4,}\s*(.*?)\s*-{4,}(.*?)\*/}gcs) {
            $out .= "/** \@} */\n" if $section_open;
            $out .= "/** \@name " . escape($1) . "\n * \@{ */\n";
            ($section_open, $section_text, $paragraph) = (1, inside("/*$2*/"), undef);
        }
        elsif ($text =~ m{\G(/\*.*?\*/)}gcs) { $paragraph = inside($1); }
        elsif ($text =~ /\G#\s*define\s+(\w+)\(([^)]*)\)((?:[^\n]*\\\n)*[^\n]*)/gc) {
            my ($macro, $names, $body) = ($1, $2, $3);
            (my $joined = $body) =~ s/[ \t]*\\\n/\n/g;
            $macros{$macro} = [[arguments($names)], $joined];
            if ($joined =~ /;\s*\z|_DECLARE_\w+\(/ && $joined !~ /\)\(\(/) { $paragraph = undef; }
            else { declaration("#define $macro($names) (...)", undef); }
        }
        elsif ($text =~ /\G#\s*define\s+(\w+)[ \t]+(\S(?:[^\n]*\\\n)*[^\n]*)/gc) { declaration("#define $1 $2", undef) if $1 ne 'own'; }
        elsif ($text =~ /\G#[^\n]*/gc) { }
        elsif ($text =~ /\G([A-Z][A-Z_]+)\(([^\n]*)\)[ \t]*(?=\n)/gc && $macros{$1}) {
            my $rest = substr $text, pos $text;
            my $kept = $paragraph;
            my $made = expand($1, arguments($2));
            $text = "\n/*" . (defined $kept ? " $kept" : '') . "*/\n$made\n\n$rest";
            $text =~ s{\A\n/\*\*/\n}{\n} if !defined $kept;
            pos($text) = 0;
        }
        elsif ($text =~ m~\G((?:[^;{/]|/(?!\*))*(?:(\{(?:[^{}]++|(?2))*\})[^;\n]*;?|;))[ \t]*(/\*[^\n]*?\*/)?~gc) { declaration($1, $3); }
        else { die "$path: cannot read: " . substr($text, pos $text, 80) . "\n"; }
    }
}

my $header = slurp($path);
$header =~ s{\A\s*(/\*.*?\*/)}{}s or die "$path: no head comment\n";
$out .= "/** \@file $name\n" . markup(inside($1)) . " */\n";
read_header(select_branches($header));
$out .= "/** \@} */\n" if $section_open;
print $bare ? join('', map { "$name: $_\n" } @undescribed) : $out;
