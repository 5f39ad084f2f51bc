/* SPDX-License-Identifier: GPL-2.0-only */
/* The marks that open and close a window of the counting plugin; anywhere else they do nothing. */
#ifndef BENCH_MARK_H
#define BENCH_MARK_H

#include <stdint.h>

/* nopl with a displacement that nobody uses; kept equal to plugin/plugin.c. */
#define MARK_TEXT(number) ".byte 0x0f, 0x1f, 0x80, " #number ", 'X', 'P', 'V'"
#define MARK(number, id, time) __asm__ volatile(MARK_TEXT(number) : : "D"(id), "S"(time) : "memory")

/* The processor's time stamp counter, which every guest and its host have in common. */
static inline uint64_t mark_time(void)
{
	return __builtin_ia32_rdtsc();
}

static inline void mark_open(uint64_t id)
{
	MARK(1, id, mark_time());
}

static inline void mark_close(uint64_t id)
{
	MARK(2, id, mark_time());
}

#endif
