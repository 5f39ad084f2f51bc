// SPDX-License-Identifier: GPL-2.0-only
/*
 * Xenstore's messages as Linux handles them: a header filled in and sent
 * before the parts of its payload; a header read, its length bounded, then
 * its body read; a list of strings walked with strlen.
 */
#include "common.h"
#include <xen/io/xs_wire.h>

struct micro_part {
	const uint8_t *base;
	uint64_t len;
};

/* Bytes of the message now in `buffer`, which has room for the longest one; 0 if it would be too long. */
CALLED uint64_t micro_store_encode(uint8_t *buffer, uint32_t type, uint32_t req_id, uint32_t tx_id,
			    const struct micro_part *parts, uint64_t count)
{
	struct xsd_sockmsg msg = { .type = type, .req_id = req_id, .tx_id = tx_id };
	uint8_t *to = buffer + sizeof(msg);
	uint64_t len = 0;

	for (uint64_t i = 0; i < count; i++)
		len += parts[i].len;
	if (len > XENSTORE_PAYLOAD_MAX)
		return 0;
	msg.len = len;
	memcpy(buffer, &msg, sizeof(msg));
	for (uint64_t i = 0; i < count; i++) {
		memcpy(to, parts[i].base, parts[i].len);
		to += parts[i].len;
	}
	return to - buffer;
}

uint64_t micro_store_encode_rounds(uint8_t *buffer, uint32_t type, const struct micro_part *parts,
				   uint64_t count, uint64_t rounds)
{
	uint64_t sum = 0;

	while (rounds--) {
		sum += micro_store_encode(buffer, type, (uint32_t)rounds, 0, parts, count);
		barrier();
	}
	return sum;
}

struct micro_reader {
	struct xsd_sockmsg msg;
	uint8_t body[XENSTORE_PAYLOAD_MAX];
	uint32_t have;
	int in_body;
};

_Static_assert(sizeof(struct micro_reader) <= 4096 + 64, "as CReader in c.rs");

/*
 * Reads from a stream what is still wanted. 1: a message is complete, 0: more
 * is needed, -1: the stream is lost. `*stream` moves on by what was read.
 */
CALLED int micro_store_read(struct micro_reader *reader, const uint8_t **stream, const uint8_t *end)
{
	if (!reader->in_body) {
		uint32_t n = sizeof(reader->msg) - reader->have;

		if (n > end - *stream)
			n = end - *stream;
		memcpy((uint8_t *)&reader->msg + reader->have, *stream, n);
		*stream += n;
		reader->have += n;
		if (reader->have < sizeof(reader->msg))
			return 0;
		if (reader->msg.len > XENSTORE_PAYLOAD_MAX || reader->msg.type >= XS_TYPE_COUNT)
			return -1;
		reader->in_body = 1;
		reader->have = 0;
	}
	if (reader->have < reader->msg.len) {
		uint32_t n = reader->msg.len - reader->have;

		if (n > end - *stream)
			n = end - *stream;
		memcpy(reader->body + reader->have, *stream, n);
		*stream += n;
		reader->have += n;
	}
	return reader->have == reader->msg.len;
}

uint64_t micro_store_read_rounds(struct micro_reader *reader, const uint8_t *message, uint64_t len, uint64_t rounds)
{
	uint64_t sum = 0;

	while (rounds--) {
		const uint8_t *stream = message;

		if (micro_store_read(reader, &stream, message + len) != 1)
			return FAILED;
		sum += reader->msg.req_id + reader->msg.type + reader->msg.len + reader->body[0];
		reader->have = 0;
		reader->in_body = 0;
		barrier();
	}
	return sum;
}

/* The kernel's own: x86_64 has no better one. */
static CALLED __attribute__((optimize("no-tree-loop-distribute-patterns"))) size_t string_length(const char *string)
{
	const char *end = string;

	while (*end)
		end++;
	return end - string;
}

CALLED uint64_t micro_store_split(const char *payload, uint64_t len)
{
	uint64_t sum = 0;

	for (const char *string = payload; string < payload + len; ) {
		uint64_t length = string_length(string);

		sum = sum * 31 + length + (uint8_t)string[0];
		string += length + 1;
	}
	return sum;
}

uint64_t micro_store_split_rounds(const char *payload, uint64_t len, uint64_t rounds)
{
	uint64_t sum = 0;

	while (rounds--) {
		sum += micro_store_split(payload, len);
		barrier();
	}
	return sum;
}
