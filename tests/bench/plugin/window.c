// SPDX-License-Identifier: GPL-2.0-only
/*
 * The window: everything is zero when it opens and written out when it
 * closes. It may be closed again; then the last time counts.
 *
 *   window ID TIME        time between the marks, in cycles of the TSC
 *   executed WHO COUNT
 *   vmrun COUNT
 *   call DOMAIN NUMBER COUNT
 *   command DOMAIN NUMBER FIRST-ARGUMENT COUNT
 *   cell ADDRESS EXECUTED ENTERED
 *   end
 */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "count.h"

const uint64_t area_base[AREA_COUNT] = { 0xffffffff81000000, 0xffffffffc0000000 };

static const char *const who_name[WHO_COUNT] = { "guest-user", "guest-kernel", "xen", "dom0-user", "dom0-kernel" };
static const char *const domain_name[DOMAIN_COUNT] = { "guest", "dom0" };

static bool is_open;
static uint64_t opened_id, opened_time;

size_t cell_offset(uint64_t address)
{
	for (size_t area = 0; area < AREA_COUNT; area++) {
		uint64_t distance = address - area_base[area];

		if (distance < AREA_SIZE)
			return offsetof(struct counters, cells[area][distance >> CELL_SHIFT]);
	}
	return 0;
}

/* Writing zeros to cells that are zero would only take memory. */
static void clear_cells(struct counters *counters)
{
	for (size_t area = 0; area < AREA_COUNT; area++)
		for (size_t i = 0; i < AREA_CELLS; i++)
			if (counters->cells[area][i].executed)
				counters->cells[area][i] = (struct cell){ 0 };
}

void window_open(struct counters *counters, struct calls calls[DOMAIN_COUNT], uint64_t id, uint64_t time)
{
	is_open = true;
	opened_id = id;
	opened_time = time;
	memset(calls, 0, DOMAIN_COUNT * sizeof(*calls));
	clear_cells(counters);
	counters->vmruns = 0;
	memset(counters->executed, 0, sizeof(counters->executed));
}

static void write_calls(const struct calls *calls, const char *domain, FILE *out)
{
	for (int number = 0; number < HYPERCALLS; number++) {
		if (calls->number[number])
			fprintf(out, "call %s %d %" PRIu64 "\n", domain, number, calls->number[number]);
		for (int command = 0; command < COMMANDS; command++)
			if (calls->command[number][command])
				fprintf(out, "command %s %d %d %" PRIu64 "\n", domain, number, command,
					calls->command[number][command]);
	}
}

static void write_cells(const struct counters *counters, FILE *out)
{
	for (size_t area = 0; area < AREA_COUNT; area++)
		for (size_t i = 0; i < AREA_CELLS; i++) {
			const struct cell *cell = &counters->cells[area][i];

			if (cell->executed)
				fprintf(out, "cell %" PRIx64 " %" PRIu64 " %" PRIu64 "\n",
					area_base[area] + (i << CELL_SHIFT), cell->executed, cell->entered);
		}
}

void window_close(const struct counters *counters, const struct calls calls[DOMAIN_COUNT], uint64_t id,
		  uint64_t time, FILE *out)
{
	if (!is_open || id != opened_id)
		return;
	fprintf(out, "window %" PRIu64 " %" PRIu64 "\n", id, time - opened_time);
	for (int who = 0; who < WHO_COUNT; who++)
		fprintf(out, "executed %s %" PRIu64 "\n", who_name[who], counters->executed[who]);
	fprintf(out, "vmrun %" PRIu64 "\n", counters->vmruns);
	for (int domain = 0; domain < DOMAIN_COUNT; domain++)
		write_calls(&calls[domain], domain_name[domain], out);
	write_cells(counters, out);
	fprintf(out, "end\n");
	fflush(out);
}
