#!/bin/sh
# installed.sh BUILD: a program outside of the tree builds against the installed library with pkg-config alone, shared and
# static, in C and in C++, and runs; uninstall leaves nothing.
set -eu
build=${1:-build/release}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix
make -s install PREFIX="$prefix" LIBDIR="$prefix/lib" INCLUDEDIR="$prefix/include" DESTDIR= BUILD="$build"
if command -v doxygen >/dev/null 2>&1; then
    make -s install-docs PREFIX="$prefix" MANDIR="$prefix/share/man" DOCDIR="$prefix/share/doc/waggle" DESTDIR= \
        DOCS="$scratch/docs" DEPS=no
    for page in waggle wag_call WAG_LINK wasm_func_call; do
        linked=$(sed -n 's/^\.so //p' "$prefix/share/man/man3/$page.3")
        [ -s "$prefix/share/man/$linked" ] || { echo "installed: no manual page $page(3)"; exit 1; }
    done
    [ -f "$prefix/share/doc/waggle/html/index.html" ]
fi
cat >"$scratch/program.c" <<'EOT'
#include <stdio.h>
#include <string.h>
#include <waggle.h>

int main(void)
{
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", WAG_VERSION_MAJOR, WAG_VERSION_MINOR, WAG_VERSION_PATCH);
    static const uint8_t empty[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    wag_bytes bytes = {empty, sizeof empty};
    return strcmp(version, wag_version()) != 0 || !wag_validate(bytes, NULL);
}
EOT
cp "$scratch/program.c" "$scratch/program.cc"
version=$(sed -n 's/^.define WAG_VERSION_[MP][A-Z]* //p' core/include/waggle/base.h | paste -sd.)
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
[ "$(pkg-config --modversion waggle)" = "$version" ]
cd "$scratch"
for compiler in "${CC:-gcc} program.c" "${CXX:-g++} program.cc"; do
    if ! command -v "${compiler% program*}" >/dev/null 2>&1 && [ "${compiler##*.}" = cc ]; then
        echo "installed: no ${compiler% program*} here: skipped"
        continue
    fi
    # shellcheck disable=SC2046,SC2086
    $compiler -o shared $(pkg-config --cflags --libs waggle)
    LD_LIBRARY_PATH="$prefix/lib" ./shared
    # shellcheck disable=SC2046,SC2086
    $compiler -o static -Wl,-Bstatic $(pkg-config --cflags --libs waggle) -Wl,-Bdynamic \
        $(pkg-config --libs-only-l --static waggle | sed 's/-lwaggle//')
    ./static
done
cd "$OLDPWD"
make -s uninstall PREFIX="$prefix" LIBDIR="$prefix/lib" INCLUDEDIR="$prefix/include" MANDIR="$prefix/share/man" \
    DOCDIR="$prefix/share/doc/waggle" DESTDIR= BUILD="$build"
left=$(find "$prefix" -type f -o -type l)
if [ -n "$left" ]; then
    echo "uninstall left: $left"
    exit 1
fi
echo "installed: the installed library works, shared and static, in C and C++; uninstall leaves nothing"
