# Waggle. `make help` lists the targets.
CC ?= gcc
CFLAGS ?= -O2 -g
WERROR ?=
BUILD ?= build/release
SAN ?=
WAG_CFLAGS = -std=c11 -Wall -Wextra -Wpedantic $(WERROR) -fvisibility=hidden -fPIC -pthread $(SAN)
WAG_CPPFLAGS = -Icore/include -Icore -I. -MMD -MP
LIB_SRC = $(wildcard core/*/*.c workers/*.c ipc/*.c)
LIB_OBJ = $(LIB_SRC:%.c=$(BUILD)/%.o)
LIBS = -lnng -pthread -lm
UNIT_SRC = $(wildcard tests/unit/test_*.c)
UNIT_BIN = $(UNIT_SRC:%.c=$(BUILD)/%)

## help: list targets
help:
	@sed -n 's/^## \([^:]*\): */  \1\t/p' $(MAKEFILE_LIST) | expand -t22

## lib: the static library
lib: $(BUILD)/libwaggle.a

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WAG_CFLAGS) $(WAG_CPPFLAGS) -c $< -o $@

$(BUILD)/libwaggle.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libwaggle.a
	$(CC) $(CFLAGS) $(WAG_CFLAGS) $^ -o $@ -lcmocka $(LIBS)

## unit: build and run the unit tests
unit: $(UNIT_BIN)
	@for t in $^; do $$t || exit 1; done

.PHONY: help lib unit
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
