/* SPDX-License-Identifier: GPL-2.0-only */
/* What is counted, and the window it is counted in. */
#ifndef BENCH_COUNT_H
#define BENCH_COUNT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Who executes an instruction, as far as nothing finer is counted. */
enum who {
	GUEST_USER,
	GUEST_KERNEL, /* outside of the areas below */
	XEN,
	DOM0_USER,
	DOM0_KERNEL,
	WHO_COUNT,
};

enum domain { GUEST, DOM0, DOMAIN_COUNT };

#define HYPERCALLS   64
#define COMMANDS     64

/*
 * The guest kernel's text is counted in cells of 16 bytes: a function begins
 * at a multiple of 16, so no cell belongs to two. It lies where a kernel
 * without address randomization puts it: the image itself and its modules.
 */
#define CELL_SHIFT   4
#define AREA_SIZE    (64ull << 20)
#define AREA_CELLS   (AREA_SIZE >> CELL_SHIFT)
#define AREA_COUNT   2
extern const uint64_t area_base[AREA_COUNT];

struct cell {
	uint64_t executed; /* instructions */
	uint64_t entered;  /* executions of an instruction at its first byte */
};

/* Counted by code that QEMU generates: all must be in the scoreboard. */
struct counters {
	uint64_t executed[WHO_COUNT];
	uint64_t vmruns;
	struct cell cells[AREA_COUNT][AREA_CELLS];
};

/* Counted by callbacks. */
struct calls {
	uint64_t number[HYPERCALLS];
	/* by first argument, which is the command of those that have one */
	uint64_t command[HYPERCALLS][COMMANDS];
};

/* Where in struct counters an address of the guest's kernel is counted, or 0 if it has no cell. */
size_t cell_offset(uint64_t address);

void window_open(struct counters *counters, struct calls calls[DOMAIN_COUNT], uint64_t id, uint64_t time);
void window_close(const struct counters *counters, const struct calls calls[DOMAIN_COUNT], uint64_t id,
		  uint64_t time, FILE *out);

#endif
