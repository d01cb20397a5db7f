/* Telling debuggers and profilers of machine code: gdb's JIT interface and perf's map file. Both off unless the
 * cluster's options ask for them. */
#ifndef WAGI_EXEC_GDB_JIT_H
#define WAGI_EXEC_GDB_JIT_H

#include "exec/code_memory.h"

/* Make gdb know the names and frames of the code until it is unregistered. NULL without memory; nobody needs to care.
 * Any thread. */
struct wagi_gdb_entry *wagi_gdb_jit_register(const wagi_code *code);
void wagi_gdb_jit_unregister(struct wagi_gdb_entry *entry); /* NULL is a no-op */
size_t wagi_gdb_jit_count(void);                            /* registered now; for tests */

/* Append the code's functions to /tmp/perf-PID.map. A failure is nobody's business: a profile has addresses then. Lines
 * stay when the module is freed: perf applies the map afterwards, and the last line for an address counts. Any thread.
 */
void wagi_perf_map_append(const wagi_code *code);

/* How both call a function: its name of the name section without control characters, or wasm-function[INDEX]. Returns
 * the length, less than size. */
size_t wagi_code_name(const wagi_code *code, uint32_t func_index, char *ret_name, size_t size);

#endif
