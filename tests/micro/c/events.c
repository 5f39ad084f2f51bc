// SPDX-License-Identifier: GPL-2.0-only
/*
 * The upcall of the 2-level ABI as Linux does it: take the selector, then
 * walk its words and their bits from where the last walk ended, and clear
 * each event's own bit before its handler runs.
 */
#include "common.h"
#include <stdlib.h>
#include <xen/event_channel.h>

#define BITS	64u

struct micro_events {
	struct shared_info shared;
	uint64_t cpu_mask[BITS];
	uint32_t word, bit;
};

void micro_handle_event(uint64_t *sum, uint32_t port);

struct micro_events *micro_events_new(void)
{
	struct micro_events *events = aligned_alloc(64, (sizeof(*events) + 63) & ~63ul);

	memset(events, 0, sizeof(*events));
	memset(events->shared.evtchn_mask, 0xff, sizeof(events->shared.evtchn_mask));
	return events;
}

void micro_events_bind(struct micro_events *events, uint32_t port)
{
	events->cpu_mask[port / BITS] |= 1ul << port % BITS;
	events->shared.evtchn_mask[port / BITS] &= ~(1ul << port % BITS);
}

/* Clears the port's bit, which an interrupt's acknowledgement does. */
static inline void clear(struct micro_events *events, uint32_t port)
{
	uint64_t *word = &events->shared.evtchn_pending[port / BITS];

	__asm__ __volatile__("lock; btrq %1,%0" : "+m"(*word) : "r"((uint64_t)port % BITS) : "memory", "cc");
}

/* The bits of `word` from number `from` on. */
static inline uint64_t upper(uint64_t word, uint32_t from)
{
	return word & (~0ul << from);
}

static uint32_t walk_word(struct micro_events *events, uint32_t word, uint32_t bit, uint64_t *sum)
{
	struct shared_info *shared = &events->shared;
	uint64_t active = READ_ONCE(shared->evtchn_pending[word]) & events->cpu_mask[word] &
			  ~READ_ONCE(shared->evtchn_mask[word]);
	uint32_t delivered = 0;

	do {
		uint64_t left = upper(active, bit);
		uint32_t port;

		if (!left)
			break;
		bit = __builtin_ctzl(left);
		port = word * BITS + bit;
		clear(events, port);
		micro_handle_event(sum, port);
		delivered++;
		bit = (bit + 1) % BITS;
		events->word = bit ? word : (word + 1) % BITS;
		events->bit = bit;
	} while (bit);
	return delivered;
}

static uint32_t walk(struct micro_events *events, uint64_t selected, uint64_t *sum)
{
	uint32_t start = events->word, word = start, delivered = 0;
	int first = 1;

	while (selected) {
		uint64_t left = upper(selected, word);

		if (!left) {
			word = 0;
			first = 0;
			continue;
		}
		word = __builtin_ctzl(left);
		if (word == start && first) {
			/* Its lower part comes last: the word stays selected. */
			delivered += walk_word(events, word, events->bit, sum);
		} else {
			delivered += walk_word(events, word, 0, sum);
			selected &= ~(1ul << word);
		}
		first = 0;
		word = (word + 1) % BITS;
	}
	return delivered;
}

CALLED uint32_t micro_events_upcall(struct micro_events *events, uint64_t *sum)
{
	struct vcpu_info *vcpu = &events->shared.vcpu_info[0];
	uint32_t delivered = 0;

	do {
		WRITE_ONCE(vcpu->evtchn_upcall_pending, 0);
		delivered += walk(events, __atomic_exchange_n(&vcpu->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST), sum);
		xen_rmb();
	} while (READ_ONCE(vcpu->evtchn_upcall_pending));
	return delivered;
}

/* As Xen would: `bits` of each word of `selected`, then the selector, then the flag. */
void micro_events_send(struct micro_events *events, uint64_t selected, uint64_t bits)
{
	struct vcpu_info *vcpu = &events->shared.vcpu_info[0];

	for (uint64_t left = selected; left; left &= left - 1)
		WRITE_ONCE(events->shared.evtchn_pending[__builtin_ctzl(left)], bits);
	WRITE_ONCE(vcpu->evtchn_pending_sel, selected);
	WRITE_ONCE(vcpu->evtchn_upcall_pending, 1);
}

uint64_t micro_events_rounds(struct micro_events *events, uint64_t selected, uint64_t bits, uint64_t rounds)
{
	uint64_t sum = 0;

	while (rounds--) {
		micro_events_send(events, selected, bits);
		sum += micro_events_upcall(events, &sum);
	}
	return sum;
}
