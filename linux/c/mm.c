// SPDX-License-Identifier: GPL-2.0-only
/* Pages: what is inline in C or a macro. See linux/src/page.rs. */
#include <linux/io.h>
#include <linux/mm.h>

#include "xenpv.h"

/* From so many bytes on the string instruction is worth its start. */
#define XENPV_STRING_MIN 512

static atomic_long_t xenpv_pages_count;

/* Compound, so that the pages know their order and one pointer is enough to free them. */
void *xenpv_pages_alloc(gfp_t gfp, unsigned int order)
{
	struct page *page = alloc_pages(gfp | __GFP_ZERO | __GFP_COMP, order);

	if (!page)
		return NULL;
	atomic_long_inc(&xenpv_pages_count);
	return page_address(page);
}

void xenpv_pages_free(void *pages)
{
	atomic_long_dec(&xenpv_pages_count);
	put_page(virt_to_page(pages));
}

/* The pages have another owner now, who frees them by put_page(). */
void xenpv_pages_hand_over(void *pages)
{
	atomic_long_dec(&xenpv_pages_count);
}

u64 xenpv_pages_live(void)
{
	return atomic_long_read(&xenpv_pages_count);
}

/* Whether anybody but the owner refers to the page: a process that has it mapped, or I/O to or from it. */
bool xenpv_pages_shared(const void *pages)
{
	return page_count(virt_to_page(pages)) > 1;
}

u64 xenpv_pages_pfn(const void *pages)
{
	return virt_to_phys((void *)pages) >> PAGE_SHIFT;
}

/*
 * Copies data, of which another domain may change the one side or read the other meanwhile; each byte is read once. Large
 * blocks go by the string instruction, which is good at them on all processors with 64 bits: memcpy() has one on the newest only.
 */
noinline void xenpv_copy(void *into, const void *from, size_t len)
{
	size_t words = len / 8;

	if (len >= XENPV_STRING_MIN) {
		asm volatile("rep movsq" : "+D"(into), "+S"(from), "+c"(words) : : "memory");
		len %= 8;
	}
	memcpy(into, from, len);
}
