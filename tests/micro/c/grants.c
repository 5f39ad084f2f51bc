// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grant references and entries as Linux keeps them: the free references are
 * a list linked through an array, which is cut into pages; an entry of
 * version 1 becomes valid by its flags, and is ended by a compare-and-swap.
 */
#include "common.h"
#include <stdlib.h>
#include <xen/grant_table.h>

#define PER_PAGE	(4096 / sizeof(grant_ref_t))
#define PER_FRAME	(4096 / sizeof(grant_entry_v1_t))
#define RESERVED	8
#define LIST_END	UINT32_MAX

struct micro_grants {
	grant_ref_t **list;
	grant_entry_v1_t *shared;
	uint32_t free_head, free_count;
};

static inline grant_ref_t *entry(struct micro_grants *grants, grant_ref_t ref)
{
	return &grants->list[ref / PER_PAGE][ref % PER_PAGE];
}

/* A frame more: its references go in front of those that are free already. */
static void expand(struct micro_grants *grants, grant_ref_t first)
{
	for (grant_ref_t ref = first + PER_FRAME; ref-- > (first ? first : RESERVED); ) {
		*entry(grants, ref) = grants->free_head;
		grants->free_head = ref;
		grants->free_count++;
	}
}

/* `references` is a multiple of those in a frame. */
struct micro_grants *micro_grants_new(uint32_t references)
{
	struct micro_grants *grants = calloc(1, sizeof(*grants));
	uint32_t pages = (references + PER_PAGE - 1) / PER_PAGE;

	grants->list = calloc(pages, sizeof(*grants->list));
	for (uint32_t i = 0; i < pages; i++)
		grants->list[i] = calloc(PER_PAGE, sizeof(grant_ref_t));
	grants->shared = calloc(references, sizeof(*grants->shared));
	grants->free_head = LIST_END;
	for (grant_ref_t first = 0; first < references; first += PER_FRAME)
		expand(grants, first);
	return grants;
}

/* 1: `out` holds `count` references, 0: there are not as many. */
CALLED int micro_grants_allocate(struct micro_grants *grants, grant_ref_t *out, uint32_t count)
{
	if (grants->free_count < count)
		return 0;
	grants->free_count -= count;
	for (uint32_t i = 0; i < count; i++) {
		grant_ref_t head = grants->free_head;

		grants->free_head = *entry(grants, head);
		*entry(grants, head) = LIST_END;
		out[i] = head;
	}
	return 1;
}

CALLED void micro_grants_free(struct micro_grants *grants, grant_ref_t ref)
{
	*entry(grants, ref) = grants->free_head;
	grants->free_head = ref;
	grants->free_count++;
}

CALLED void micro_grants_grant(struct micro_grants *grants, grant_ref_t ref, domid_t domid,
			uint64_t frame, int readonly)
{
	grants->shared[ref].domid = domid;
	grants->shared[ref].frame = frame;
	xen_wmb();
	WRITE_ONCE(grants->shared[ref].flags, GTF_permit_access | (readonly ? GTF_readonly : 0));
}

/* 1: ended, 0: still in use. */
CALLED int micro_grants_end(struct micro_grants *grants, grant_ref_t ref)
{
	uint16_t *flags = &grants->shared[ref].flags;
	uint16_t now = READ_ONCE(*flags);

	do {
		if (now & (GTF_reading | GTF_writing))
			return 0;
	} while (!__atomic_compare_exchange_n(flags, &now, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return 1;
}

uint64_t micro_grants_rounds(struct micro_grants *grants, uint32_t count, uint64_t rounds)
{
	grant_ref_t refs[64];
	uint64_t sum = 0;

	while (rounds--) {
		if (!micro_grants_allocate(grants, refs, count))
			return FAILED;
		for (uint32_t i = 0; i < count; i++) {
			sum += refs[i];
			micro_grants_free(grants, refs[i]);
		}
	}
	return sum;
}

uint64_t micro_grants_page_rounds(struct micro_grants *grants, uint64_t rounds)
{
	grant_ref_t ref;
	uint64_t sum = 0;

	while (rounds--) {
		if (!micro_grants_allocate(grants, &ref, 1))
			return FAILED;
		micro_grants_grant(grants, ref, 3, rounds & 0xffff, 0);
		if (!micro_grants_end(grants, ref))
			return FAILED;
		sum += ref;
		micro_grants_free(grants, ref);
	}
	return sum;
}
