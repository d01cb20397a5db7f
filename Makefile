# Waggle. This file is the manual: `make help` lists the targets.
#
# On a fresh Debian 12 with nothing but make and a network, as root or with sudo, these two set everything up:
#   make demo        installs what is missing, builds, runs the main/worker demo
#   make test        the same, then every test; the last line is "N passed, N failed"
# A test is found by its place: tests/unit/test_*.c, tests/api/test_*.c, tests/api/wasm_h/*.c, tests/load/*.c, tests/bench/bench_*.c and
# tests/fuzz/fuzz_*.c are a program each, demos/NAME/*.c is one, tests/spec/*.c is one, tests/lint/*.sh are checks.
# Every *.wat of demos/ and tests/ becomes $(BUILD)/same/path.wasm.

CC ?= gcc
CXX ?= g++
ifeq ($(origin CC),default)
CC = gcc
endif
CFLAGS ?= -O2 -g
# CI sets -Werror.
WERROR ?=
# Every kind of build has a folder of its own.
BUILD ?= build/release
# Sanitizer flags, for compiling and linking.
SAN ?=
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DESTDIR ?=
# The official WebAssembly test suite as JSON and .wasm. `make spec SPEC=FOLDER` takes any folder made by wast2json, too.
SPEC ?=
# Seconds for each target of `make fuzz`.
FUZZ_TIME ?= 60
# V=1 shows the commands of the build.
V ?=
# `make demo` and `make test` install packages; DEPS=no trusts that all is there.
DEPS ?= yes

MAKEFLAGS += --no-builtin-rules --no-print-directory
ifeq ($(MAKELEVEL)$(findstring -j,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)
endif

ifeq ($(V),)
Q = @
say = @printf '  %-5s %s\n' $(1) $(2:$(BUILD)/%=%)
endif

VERSION := $(shell sed -n 's/^.define WAG_VERSION_[MP][A-Z]* //p' core/include/waggle/base.h | paste -sd.)
SOVERSION := $(firstword $(subst ., ,$(VERSION)))

WAG_CPPFLAGS = -Icore/include -Icore -I. -MMD -MP $(CPPFLAGS)
WAG_CFLAGS = $(CFLAGS) -std=c11 -Wall -Wextra -Wpedantic $(WERROR) -fvisibility=hidden -fPIC -pthread $(SAN)
LIBS = -lnng -lmbedcrypto -pthread -lm
define LINK
$(call say,LINK,$@)
$(Q)$(CC) $(CFLAGS) $(SAN) $(LDFLAGS) -o $@ $(filter %.o %.a,$^)
endef

LIB_SRC := $(sort $(wildcard core/*/*.c core/*/*/*.c workers/*.c ipc/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
API_SRC := $(sort $(wildcard tests/api/test_*.c tests/api/wasm_h/*.c))
LOAD_SRC := $(sort $(wildcard tests/load/*.c))
BENCH_SRC := $(sort $(wildcard tests/bench/bench_*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
SPEC_SRC := $(sort $(wildcard tests/spec/*.c))
SOAK_SRC := $(sort $(wildcard tests/soak/*.c))
DEMO_SRC := $(sort $(wildcard demos/*/*.c))
# What the programs of a folder share: its files that are no program themselves.
UNIT_HELP := $(filter-out $(UNIT_SRC),$(sort $(wildcard tests/unit/*.c)))
LOAD_HELP := $(sort $(wildcard tests/load/harness/*.c)) tests/bench/measure.c tests/bench/shapes.c
API_HELP := $(filter-out $(API_SRC),$(sort $(wildcard tests/api/*.c)))
BENCH_HELP := $(filter-out $(BENCH_SRC),$(sort $(wildcard tests/bench/*.c)))
FUZZ_HELP := $(filter-out $(FUZZ_SRC) tests/fuzz/replay.c,$(sort $(wildcard tests/fuzz/*.c)))
WAT := $(sort $(wildcard demos/*.wat demos/*/*.wat tests/*/*.wat tests/*/*/*.wat))
ALL_SRC := $(LIB_SRC) $(sort $(wildcard tests/*/*.c tests/*/*/*.c)) $(DEMO_SRC)

obj = $(1:%.c=$(BUILD)/%.o)
LIB = $(BUILD)/libwaggle.a
SHARED = $(BUILD)/libwaggle.so.$(VERSION)
UNIT_BIN = $(UNIT_SRC:%.c=$(BUILD)/%)
API_BIN = $(API_SRC:%.c=$(BUILD)/%)
LOAD_BIN = $(LOAD_SRC:%.c=$(BUILD)/%)
BENCH_BIN = $(BENCH_SRC:%.c=$(BUILD)/%)
FUZZ_BIN = $(FUZZ_SRC:%.c=$(BUILD)/%)
REPLAY_BIN = $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(BUILD)/tests/fuzz/replay_%)
SPEC_BIN = $(sort $(SPEC_SRC:%=$(BUILD)/tests/spec/spec))
SOAK_BIN = $(BUILD)/tests/soak/soak
DEMO_BIN = $(sort $(foreach d,$(DEMO_SRC:demos/%=%),$(BUILD)/demos/$(firstword $(subst /, ,$d))/$(firstword $(subst /, ,$d))))
WASM = $(WAT:%.wat=$(BUILD)/%.wasm)

## help: list the targets
help:
	@sed -n 's/^## \([^:]*\): */  \1\t/p' Makefile | expand -t24

# ---- what has to be installed ----

PACKAGES = gcc libc6-dev libnng-dev libmbedtls-dev libcmocka-dev libjansson-dev wabt pkg-config g++
PACKAGES_DEV = clang clang-format libclang-rt-14-dev valgrind binaryen git $(PACKAGES_DOCS)
# The API reference.
PACKAGES_DOCS = doxygen
# The benchmarks: a C compiler to wasm with its library, and a plotter.
PACKAGES_BENCH = clang lld wasi-libc libclang-rt-14-dev-wasm32 gnuplot-nox valgrind strace

## deps: install what the build and the tests need (Debian packages; quiet when all is there)
deps:
	@DEPS=$(DEPS) sh .ci/deps $(PACKAGES)

## deps-dev: what only clang builds, fuzzing, valgrind, lint, benchmarks and CI need on top
deps-dev:
	@DEPS=$(DEPS) sh .ci/deps $(PACKAGES) $(PACKAGES_DEV) $(PACKAGES_BENCH)

deps-docs:
	@DEPS=$(DEPS) sh .ci/deps $(PACKAGES_DOCS)

deps-bench:
	@DEPS=$(DEPS) sh .ci/deps $(PACKAGES) $(PACKAGES_BENCH)

# ---- the library ----

## lib: the static library, build/release/libwaggle.a
lib: $(LIB)

## shared: the shared library; it exports wag_* and nothing else
shared: $(SHARED)

# Objects depend on how they are compiled: other flags or another compiler, and all is built again.
$(BUILD)/flags: force
	@mkdir -p $(@D)
	@echo '$(CC) $(WAG_CFLAGS) $(WAG_CPPFLAGS)' | cmp -s - $@ || echo '$(CC) $(WAG_CFLAGS) $(WAG_CPPFLAGS)' >$@

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(WAG_CFLAGS) $(WAG_CPPFLAGS) $(DEFINES) -c $< -o $@

# What runs for each byte of a module gains a tenth from -O3, everything else nothing.
$(call obj,$(filter core/compiler/% core/binary/%,$(LIB_SRC))): CFLAGS := $(CFLAGS:-O2=-O3)

$(BUILD)/%.wasm: %.wat
	@mkdir -p $(@D)
	$(call say,WASM,$<)
	$(Q)wat2wasm --enable-threads --debug-names $< -o $@

$(LIB): $(call obj,$(LIB_SRC))
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

$(SHARED): $(call obj,$(LIB_SRC))
	$(LINK) -shared -Wl,-soname,libwaggle.so.$(SOVERSION) -Wl,-z,defs $(LIBS)
	@ln -sf $(@F) $(BUILD)/libwaggle.so.$(SOVERSION)
	@ln -sf $(@F) $(BUILD)/libwaggle.so

# Anew each time: PREFIX may be another one.
$(BUILD)/waggle.pc: force
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$(INCLUDEDIR)' '' 'Name: waggle' \
	  'Description: WebAssembly runtime: compile once, post the Module, instantiate in each worker' \
	  'Version: $(VERSION)' 'Libs: -L$${libdir} -lwaggle' 'Libs.private: $(LIBS)' 'Cflags: -I$${includedir}' >$@

## install: headers, both libraries and waggle.pc into $(DESTDIR)$(PREFIX)
install: $(LIB) $(SHARED) $(BUILD)/waggle.pc
	install -d $(DESTDIR)$(INCLUDEDIR)/waggle $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 core/include/waggle.h core/include/wasm.h $(DESTDIR)$(INCLUDEDIR)/
	install -m 644 core/include/waggle/*.h core/include/waggle/*.def $(DESTDIR)$(INCLUDEDIR)/waggle/
	install -m 644 $(LIB) $(DESTDIR)$(LIBDIR)/
	install -m 755 $(SHARED) $(DESTDIR)$(LIBDIR)/
	ln -sf libwaggle.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libwaggle.so.$(SOVERSION)
	ln -sf libwaggle.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libwaggle.so
	install -m 644 $(BUILD)/waggle.pc $(DESTDIR)$(LIBDIR)/pkgconfig/
	@case "$(DESTDIR)$(LIBDIR)" in /usr/lib*|/usr/local/lib*) ldconfig 2>/dev/null || true;; esac # the loader's cache

# Where each kind of build has its own; the reference is one for all.
DOCS ?= build/docs
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/waggle

## docs: the API reference by Doxygen: build/docs/html/index.html and man pages; a warning is an error
docs: deps-docs
	@sh core/include/reference $(DOCS) $(VERSION)
	@echo "  DOCS  $(DOCS)/html/index.html"

## install-docs: the reference: HTML into share/doc/waggle/html, man pages (man 3 waggle, wag_call ...) into share/man/man3
install-docs: docs
	install -d $(DESTDIR)$(DOCDIR)/html $(DESTDIR)$(MANDIR)/man3
	cp -R $(DOCS)/html/. $(DESTDIR)$(DOCDIR)/html/
	install -m 644 $(DOCS)/man/man3/*.3 $(DESTDIR)$(MANDIR)/man3/

## uninstall: remove what install and install-docs put there
uninstall:
	rm -rf $(DESTDIR)$(INCLUDEDIR)/waggle $(DESTDIR)$(DOCDIR)
	rm -f $(foreach p,waggle wag_ WAG_ wasm.h wasm_ WASM_,$(DESTDIR)$(MANDIR)/man3/$p*.3)
	rm -f $(DESTDIR)$(INCLUDEDIR)/waggle.h $(DESTDIR)$(INCLUDEDIR)/wasm.h $(DESTDIR)$(LIBDIR)/libwaggle.a $(DESTDIR)$(LIBDIR)/libwaggle.so \
	  $(DESTDIR)$(LIBDIR)/libwaggle.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libwaggle.so.$(VERSION) \
	  $(DESTDIR)$(LIBDIR)/pkgconfig/waggle.pc

# ---- demos ----

$(BUILD)/demos/%.o: DEFINES = -DSIMPLE_WASM='"$(abspath $(BUILD))/demos/main_worker/simple.wasm"'
define demo_program
$(1): $(call obj,$(filter demos/$(notdir $(1))/%,$(DEMO_SRC))) $(LIB) | $(filter $(BUILD)/demos/%,$(WASM))
	$$(LINK) $(LIBS)
endef
$(foreach d,$(DEMO_BIN),$(eval $(call demo_program,$d)))

demos: $(DEMO_BIN)

## demo: install what is missing, build, and run the main/worker demo
demo: deps
	@$(MAKE) demos
	$(BUILD)/demos/main_worker/main_worker

# ---- tests ----

$(UNIT_BIN): $(BUILD)/%: $(BUILD)/%.o $(call obj,$(UNIT_HELP)) $(LIB)
	$(LINK) -lcmocka $(LIBS)
$(API_BIN): $(BUILD)/%: $(BUILD)/%.o $(call obj,$(API_HELP)) $(LIB)
	$(LINK) -lcmocka $(LIBS)
$(LOAD_BIN): $(BUILD)/%: $(BUILD)/%.o $(call obj,$(LOAD_HELP)) $(LIB) | $(filter $(BUILD)/tests/load/%,$(WASM))
	$(LINK) -ljansson $(LIBS)
$(BENCH_BIN): $(BUILD)/%: $(BUILD)/%.o $(call obj,$(BENCH_HELP)) $(LIB) | $(filter $(BUILD)/tests/bench/%,$(WASM))
	$(LINK) -ljansson $(LIBS)
$(SPEC_BIN): $(call obj,$(SPEC_SRC)) $(LIB)
	$(LINK) -ljansson $(LIBS)
$(SOAK_BIN): $(call obj,$(SOAK_SRC)) $(LIB) | $(BUILD)/tests/soak/soak.wasm
	$(LINK) $(LIBS)
$(REPLAY_BIN): $(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o \
  $(call obj,$(FUZZ_HELP)) $(LIB)
	$(LINK) $(LIBS)
$(FUZZ_BIN): $(BUILD)/%: $(BUILD)/%.o $(call obj,$(FUZZ_HELP)) $(LIB)
	$(LINK) -fsanitize=fuzzer $(LIBS)

# Test programs may ask where the compiled .wat files are.
$(BUILD)/tests/%.o: DEFINES = -DWAG_TEST_BUILD='"$(abspath $(BUILD))"'

# Commands for tests/run, one word each (quoted).
# In every tier and memory mode; bounds checks as in a host that allows no signal handlers.
SPEC_RUN = $(foreach t,interp guard no-signals,$(SPEC_BIN:%='% $(SPEC) --tier $t'))
# The compiler with three registers, so that everything spills, and its allocation checker on.
SPEC_RUN += $(SPEC_BIN:%='% $(SPEC) --tier guard --few-registers --check')
# Code that charges fuel.
SPEC_RUN += $(foreach t,interp guard,$(SPEC_BIN:%='% $(SPEC) --tier $t --fuel'))
# Instantiations per worker of the short load test.
LOAD_COUNT ?= 2000
LOAD_OPTIONS ?=
LOAD = $(BUILD)/tests/load/load $(LOAD_OPTIONS) --only
# Every reset compared; then a thousand threads, each with imports of its own: not one value may cross over.
LOAD_RUN = '$(LOAD) --workers 8 --count $(LOAD_COUNT) --posts 2000 own' '$(LOAD) --workers 2 --count $(LOAD_COUNT) --check a b c' \
  '$(LOAD) --workers 1000 --count 100 --warm-up 0 own'
# Seconds of `make soak`, and what it is told; the tests soak for some seconds.
SOAK_TIME ?= 600
SOAK_OPTIONS ?=
SOAK_RUN = '$(SOAK_BIN) 5 $(SOAK_OPTIONS)'
# Modules of binaryen's fuzzer that are compared between the tiers.
TTF_SEEDS ?= 32
REPLAY_RUN = $(foreach r,$(REPLAY_BIN),'$r tests/fuzz/corpus/$(r:$(BUILD)/tests/fuzz/replay_%=%)') \
  'sh tests/fuzz/ttf.sh -n $(TTF_SEEDS) $(BUILD)/tests/fuzz/replay_diff'
DEMO_RUN = $(DEMO_BIN)
LINT = $(sort $(wildcard tests/lint/*.sh))
LINT_RUN = $(LINT:%='sh % $(BUILD)')
PROGRAMS = $(UNIT_BIN) $(API_BIN) $(SPEC_BIN) $(LOAD_BIN) $(SOAK_BIN) $(REPLAY_BIN) $(DEMO_BIN) $(WASM)
# $(call run_tests,programs,commands): build all that can be built, run all one at a time, sum up.
run_tests = +@CC='$(CC)' CXX='$(CXX)' ; export CC CXX; built=0; $(MAKE) -k $(1) || built=$$?; sh tests/run -b $$built $(2)

## test: install what is missing, build, run everything; ends with "N passed, N failed"
test: deps
	$(call run_tests,$(PROGRAMS) $(SHARED),$(UNIT_BIN) $(API_BIN) $(DEMO_RUN) $(LOAD_RUN) $(SOAK_RUN) $(REPLAY_RUN) $(SPEC_RUN) $(LINT_RUN))

## unit: the unit tests
unit:
	$(call run_tests,$(UNIT_BIN) $(WASM),$(UNIT_BIN))

## api: the tests of the public interface
api:
	$(call run_tests,$(API_BIN) $(DEMO_BIN) $(WASM),$(API_BIN))

## spec: the official test suites (SPEC=FOLDER; default ../shared/spec)
spec:
	$(call run_tests,$(SPEC_BIN),$(SPEC_RUN))

## load: the load test at full length, beside wasmtime and V8 when they are here: instances a second, percentiles, memory,
## : system calls, wrong values, what is left over; a table, JSON and a plot in $(BUILD)/load (ROUNDS=5)
load: deps-bench
	@$(MAKE) $(LOAD_BIN) $(WASM) $(BENCH_PROGRAMS)
	BUILD=$(BUILD) CC='$(CC)' sh tests/load/load.sh

## soak: interrupts, traps, growth, ending workers, broken modules for SOAK_TIME seconds (600); then nothing may be left
soak:
	$(call run_tests,$(SOAK_BIN),'$(SOAK_BIN) $(SOAK_TIME) $(SOAK_OPTIONS)')

## lint: layers, exported symbols, headers, C++, thread contract, docs and their examples, installation, banned calls, format ...
lint:
	$(call run_tests,$(LIB) $(SHARED) $(SPEC_BIN),$(LINT_RUN))

## ids: the table of the statements about the JS API: tests, or the difference and why; build/ids.md
ids:
	@mkdir -p build
	@sh tests/lint/ids.sh --table >build/ids.md
	@cat build/ids.md

## fuzz-replay: run the fuzzers' corpus once through every fuzz target (part of test)
fuzz-replay:
	$(call run_tests,$(REPLAY_BIN),$(REPLAY_RUN))

# The builds with a sanitizer: the tests below run in each of them, in a folder of its own.
check-asan check-ubsan:
	$(call run_tests,$(PROGRAMS),$(UNIT_BIN) $(API_BIN) $(DEMO_RUN) $(LOAD_RUN) $(SOAK_RUN) $(REPLAY_RUN) $(SPEC_RUN))
# Long, and of one thread: nothing to see for ThreadSanitizer.
TSAN_UNIT = $(filter-out %/test_native_ops %/test_x64_encode %/test_compile_bounds %/test_num,$(UNIT_BIN))
# The litmus tests and the other scripts with threads; all of what the interpreter accesses can be seen.
TSAN_SPEC = $(foreach t,interp checked,$(SPEC_BIN:%='% $(SPEC) --tier $t --filter threads*/*'))
check-tsan:
	$(call run_tests,$(TSAN_UNIT) $(API_BIN) $(LOAD_BIN) $(SOAK_BIN) $(DEMO_BIN) $(SPEC_BIN) $(WASM),$(TSAN_UNIT) $(API_BIN) $(DEMO_RUN) $(LOAD_RUN) $(SOAK_RUN) $(TSAN_SPEC))
# Not for memcheck: faults and guard pages, which it reports; sealed memories, which need them; what the process's mappings,
# seccomp filters, times and sizes must be, which are valgrind's.
VALGRIND_UNIT = $(filter-out %/test_fault %/test_signals %/test_signals_host %/test_slot %/test_memory_pool %/test_code_memory \
  %/test_small_space %/test_compile_bounds,$(UNIT_BIN))
check-valgrind:
	$(call run_tests,$(VALGRIND_UNIT) $(API_BIN) $(DEMO_BIN) $(WASM),$(VALGRIND_UNIT) $(API_BIN) $(DEMO_RUN))

ASAN = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
## asan: everything but lint under AddressSanitizer and UndefinedBehaviorSanitizer
asan:
	@$(MAKE) BUILD=build/asan CFLAGS='-O1 -g' SAN='$(ASAN)' LOAD_COUNT=200 check-asan

## ubsan: the same under UndefinedBehaviorSanitizer alone, optimised
ubsan:
	@$(MAKE) BUILD=build/ubsan CFLAGS='-O2 -g' SAN='-fsanitize=undefined -fno-sanitize-recover=all' check-ubsan

# ThreadSanitizer leaves little address space: not enough for the guard pages of a thousand memories.
## tsan: unit, api, demos, the suites with threads and a small load under ThreadSanitizer
tsan:
	@TSAN_OPTIONS="halt_on_error=0 second_deadlock_stack=1 suppressions=$(CURDIR)/tests/tsan.supp $$TSAN_OPTIONS" \
	  WRAP='setarch -R' $(MAKE) BUILD=build/tsan CFLAGS='-O1 -g' SAN='-fsanitize=thread' LOAD_COUNT=200 LOAD_OPTIONS='--tier checked' \
	  SOAK_OPTIONS='--tier checked' check-tsan

# In so few addresses there are no guard pages.
MEMCHECK = prlimit --as=8000000000 valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
  --errors-for-leak-kinds=definite --suppressions=$(CURDIR)/tests/valgrind.supp
## valgrind: unit, api and demos under memcheck
valgrind:
	@WRAP='$(MEMCHECK)' TEST_TIMEOUT=1800 $(MAKE) BUILD=build/valgrind CFLAGS='-O1 -g' CPPFLAGS=-DWAG_TEST_VALGRIND check-valgrind

check-switch:
	$(call run_tests,$(SPEC_BIN) $(BUILD)/tests/unit/test_interp $(BUILD)/tests/unit/test_interp_ops,$(BUILD)/tests/unit/test_interp $(BUILD)/tests/unit/test_interp_ops '$(SPEC_BIN) $(SPEC) --tier interp')
## switch: the interpreter's portable form, without computed goto, through its tests and the suites
switch:
	@$(MAKE) BUILD=build/switch CPPFLAGS=-DWAGI_INTERP_SWITCH check-switch

## clang: everything but lint, built by clang
clang:
	@$(MAKE) CC=clang BUILD=build/clang check-asan

# In both memory modes and by the interpreter's side table alone; fetch_modules.sh says which modules.
check-modules:
	@set -e; for t in guard checked interp; do $(BUILD)/tests/bench/bench_compile --rounds 1 --tier $$t build/release/modules; done
## asan-modules: compile the big modules of bench-modules under AddressSanitizer and UndefinedBehaviorSanitizer
asan-modules:
	@sh tests/bench/fetch_modules.sh build/release/modules
	@$(MAKE) BUILD=build/asan CFLAGS='-O1 -g' SAN='$(ASAN)' build/asan/tests/bench/bench_compile
	@$(MAKE) BUILD=build/asan CFLAGS='-O1 -g' SAN='$(ASAN)' check-modules

fuzzers: $(FUZZ_BIN)
## fuzz: libFuzzer on every fuzz target for FUZZ_TIME seconds (needs deps-dev); what it finds is in build/fuzz/corpus
fuzz:
	@$(MAKE) CC=clang BUILD=build/fuzz CFLAGS='-O1 -g' SAN='$(ASAN) -fsanitize=fuzzer-no-link' fuzzers
	@set -e; for f in $(FUZZ_SRC:tests/fuzz/fuzz_%.c=%); do mkdir -p build/fuzz/corpus/$$f tests/fuzz/corpus/$$f; \
	  echo "fuzz $$f: $(FUZZ_TIME) s"; build/fuzz/tests/fuzz/fuzz_$$f -max_total_time=$(FUZZ_TIME) -print_final_stats=1 \
	  -artifact_prefix=build/fuzz/$$f- build/fuzz/corpus/$$f tests/fuzz/corpus/$$f; done

# ---- benchmarks ----

# C programs as wasm. Compiled and linked apart: a linking clang that is told to optimise runs whatever wasm-opt is there.
WASI_CC = clang --target=wasm32-wasi
BENCH_PROGRAMS := $(patsubst %.c,$(BUILD)/%.wasm,$(sort $(wildcard tests/bench/programs/*.c)))
$(BENCH_PROGRAMS): $(BUILD)/%.wasm: %.c tests/bench/programs/program.h
	@mkdir -p $(@D)
	$(call say,WASI,$<)
	$(Q)$(WASI_CC) -std=c11 -O2 -Wall -Wextra -Wpedantic $(WERROR) -msign-ext -mnontrapping-fptoint -mbulk-memory \
	  $(if $(findstring /simd_,$<),-msimd128) -c $< -o $(@:.wasm=.wasm.o)
	$(Q)$(WASI_CC) -mexec-model=reactor -Wl,-z,stack-size=262144 -Wl,--strip-debug $(@:.wasm=.wasm.o) -o $@

# Modules with structs, which no tool here assembles: a program writes them all.
BENCH_OBJECTS := $(patsubst %,$(BUILD)/tests/bench/objects/%.wasm,trees list machine)
$(BUILD)/tests/bench/objects/make: $(BUILD)/tests/bench/objects/make.o
	$(LINK)
$(BENCH_OBJECTS): $(BUILD)/tests/bench/objects/make
	$(Q)$< $(@D)

benches: $(BENCH_OBJECTS) $(BENCH_BIN) $(filter $(BUILD)/tests/bench/%,$(WASM)) $(BENCH_PROGRAMS)
# Arguments for every benchmark program, as BENCH_ARGS='--tier interp --rounds 9'.
BENCH_ARGS ?=
## bench: the benchmarks of the library (BENCH_ARGS='--tier interp'); about a minute
bench: deps-bench
	@$(MAKE) benches
	@set -e; for b in $(BENCH_BIN); do echo "== $${b##*/}"; $$b $(BENCH_ARGS); done

fetch-modules:
	@sh tests/bench/fetch_modules.sh $(BUILD)/modules
## bench-modules: fetch real modules from npm into $(BUILD)/modules (bench and bench-peers then compile them, too) and compile
## : each in turn by Waggle and by V8's Liftoff, one thread: MB/s, ratios, code size, memory; a table and JSON (ROUNDS=5)
bench-modules: fetch-modules
	@$(MAKE) $(BUILD)/tests/bench/bench_compile
	@sh tests/bench/modules.sh $(BUILD)

## bench-instructions: machine instructions per byte compiled, under callgrind
bench-instructions: deps-bench
	@$(MAKE) benches
	sh tests/bench/instructions.sh $(BUILD)

## bench-peers: side by side with the peers that are on this machine, as ratios of one run
bench-peers: deps-bench
	@$(MAKE) benches
	BUILD=$(BUILD) CC='$(CC)' sh tests/bench/peers.sh

# ---- for those who write code ----

FORMATTED := $(sort $(wildcard core/*/*.[ch] core/include/*/*.h workers/*.[ch] ipc/*.[ch] demos/*.[ch] demos/*/*.[ch] \
  tests/*/*.[ch] tests/*/*/*.[ch]))
## format: clang-format on every C file
format:
	clang-format -i $(FORMATTED)

## format-check: fails when format would change something
format-check:
	clang-format --dry-run -Werror $(FORMATTED)

## compile_commands.json: for clangd and other tools
compile_commands.json: force
	@{ echo '['; sep=''; for f in $(ALL_SRC); do printf '%s{"directory":"%s","file":"%s","arguments":[' "$$sep" '$(CURDIR)' $$f; \
	  for a in $(CC) $(filter-out -MMD -MP,$(WAG_CFLAGS) $(WAG_CPPFLAGS)) -c; do printf '"%s",' "$$a"; done; \
	  printf '"%s"]}' $$f; sep=',\n'; sep=$$(printf '%b' "$$sep"); done; printf '\n]\n'; } >$@

## clean: remove all that was built
clean:
	rm -rf build compile_commands.json

force:
.PHONY: help ids deps deps-dev lib shared install uninstall demos demo test unit api spec load soak lint fuzz-replay asan ubsan tsan \
  valgrind clang switch check-switch fuzzers fuzz deps-bench benches bench fetch-modules bench-modules \
  bench-instructions bench-peers format format-check clean force check-asan check-ubsan check-tsan check-modules \
  asan-modules \
  check-valgrind
.SECONDARY:
-include $(patsubst %.c,$(BUILD)/%.d,$(ALL_SRC))
