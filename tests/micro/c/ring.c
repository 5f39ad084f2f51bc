// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block and network rings by the macros of Xen's io/ring.h, used as Linux's
 * frontends and backends use them: a request is built in private and copied
 * into its slot as a whole, a producer index is checked once for each batch,
 * and responses are copied out before they are looked at.
 */
#include "common.h"
#include <xen/io/ring.h>
#include <xen/io/blkif.h>
#include <xen/io/netif.h>

typedef struct netif_tx_request netif_tx_request_t;
typedef struct netif_tx_response netif_tx_response_t;

/* What one ring's device does with its slots. */
static inline void blkif_answer(const blkif_request_t *request, blkif_response_t *response)
{
	*response = (blkif_response_t){
		.id = request->id, .operation = request->operation, .status = BLKIF_RSP_OKAY,
	};
}

static inline uint64_t blkif_sum(const blkif_response_t *response)
{
	return response->id + (uint16_t)response->status;
}

static inline void netif_tx_answer(const netif_tx_request_t *request, netif_tx_response_t *response)
{
	*response = (netif_tx_response_t){ .id = request->id, .status = NETIF_RSP_OKAY };
}

static inline uint64_t netif_tx_sum(const netif_tx_response_t *response)
{
	return (uint64_t)response->id + (uint16_t)response->status;
}

/* A frontend that has everything answered need not look again: no answer can come. blkfront skips it, netfront not. */
#define blkif_skips_final_check		1
#define netif_tx_skips_final_check	0

#define RING_FUNCTIONS(name)									\
_Static_assert(sizeof(struct name##_front_ring) == 24, "as struct CHalf in c.rs");		\
_Static_assert(sizeof(struct name##_back_ring) == 24, "as struct CHalf in c.rs");		\
												\
void micro_##name##_front_init(struct name##_front_ring *front, struct name##_sring *sring,	\
			       uint32_t size, uint32_t index)					\
{												\
	SHARED_RING_INIT(sring);								\
	sring->req_prod = sring->rsp_prod = index;						\
	sring->req_event = sring->rsp_event = index + 1;					\
	FRONT_RING_ATTACH(front, sring, index, size);						\
}												\
												\
void micro_##name##_back_init(struct name##_back_ring *back, struct name##_sring *sring,	\
			      uint32_t size, uint32_t index)					\
{												\
	BACK_RING_ATTACH(back, sring, index, size);						\
}												\
												\
/* 1: pushed, 0: full. */									\
static inline int name##_push(struct name##_front_ring *front, const name##_request_t *request)\
{												\
	if (RING_FULL(front))									\
		return 0;									\
	*RING_GET_REQUEST(front, front->req_prod_pvt) = *request;				\
	front->req_prod_pvt++;									\
	return 1;										\
}												\
												\
int micro_##name##_front_push(struct name##_front_ring *front, const name##_request_t *request)\
{												\
	return name##_push(front, request);							\
}												\
												\
int micro_##name##_front_publish(struct name##_front_ring *front)				\
{												\
	int notify;										\
												\
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(front, notify);					\
	return notify;										\
}												\
												\
/* 1: a response, 0: none, -1: an index that cannot be true. */				\
int micro_##name##_front_next(struct name##_front_ring *front, name##_response_t *response)	\
{												\
	RING_IDX prod = READ_ONCE(front->sring->rsp_prod);					\
												\
	if (RING_RESPONSE_PROD_OVERFLOW(front, prod))						\
		return -1;									\
	xen_rmb();										\
	if (front->rsp_cons == prod)								\
		return 0;									\
	RING_COPY_RESPONSE(front, front->rsp_cons, response);					\
	front->rsp_cons++;									\
	return 1;										\
}												\
												\
int micro_##name##_front_final_check(struct name##_front_ring *front)				\
{												\
	int more;										\
												\
	RING_FINAL_CHECK_FOR_RESPONSES(front, more);						\
	return !!more;										\
}												\
												\
int micro_##name##_back_next(struct name##_back_ring *back, name##_request_t *request)		\
{												\
	RING_IDX prod = READ_ONCE(back->sring->req_prod);					\
												\
	if (RING_REQUEST_PROD_OVERFLOW(back, prod))						\
		return -1;									\
	xen_rmb();										\
	if (back->req_cons == prod || RING_REQUEST_CONS_OVERFLOW(back, back->req_cons))	\
		return 0;									\
	RING_COPY_REQUEST(back, back->req_cons, request);					\
	back->req_cons++;									\
	return 1;										\
}												\
												\
int micro_##name##_back_push(struct name##_back_ring *back, const name##_response_t *response)	\
{												\
	if (back->req_cons == back->rsp_prod_pvt)						\
		return 0;									\
	*RING_GET_RESPONSE(back, back->rsp_prod_pvt) = *response;				\
	back->rsp_prod_pvt++;									\
	return 1;										\
}												\
												\
int micro_##name##_back_publish(struct name##_back_ring *back)					\
{												\
	int notify;										\
												\
	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(back, notify);					\
	return notify;										\
}												\
												\
int micro_##name##_back_final_check(struct name##_back_ring *back)				\
{												\
	int more;										\
												\
	RING_FINAL_CHECK_FOR_REQUESTS(back, more);						\
	return !!more;										\
}												\
												\
static CALLED uint64_t name##_send(struct name##_front_ring *front,				\
				   const name##_request_t *requests, uint32_t batch)		\
{												\
	int notify;										\
												\
	for (uint32_t i = 0; i < batch; i++)							\
		if (!name##_push(front, &requests[i]))						\
			return FAILED;								\
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(front, notify);					\
	return !!notify;									\
}												\
												\
static CALLED uint64_t name##_collect(struct name##_front_ring *front)				\
{												\
	uint64_t sum = 0;									\
	int more = 0;										\
												\
	do {											\
		RING_IDX cons, prod = READ_ONCE(front->sring->rsp_prod);			\
												\
		if (RING_RESPONSE_PROD_OVERFLOW(front, prod))					\
			return FAILED;								\
		xen_rmb();									\
		for (cons = front->rsp_cons; cons != prod; cons++) {				\
			name##_response_t response;						\
												\
			RING_COPY_RESPONSE(front, cons, &response);				\
			sum += name##_sum(&response);						\
		}										\
		front->rsp_cons = cons;								\
		if (name##_skips_final_check && cons == front->req_prod_pvt) {			\
			front->sring->rsp_event = cons + 1;					\
			more = 0;								\
		} else {									\
			RING_FINAL_CHECK_FOR_RESPONSES(front, more);				\
		}										\
	} while (more);										\
	return sum;										\
}												\
												\
static CALLED uint64_t name##_serve(struct name##_back_ring *back)				\
{												\
	int notify, more;									\
	uint64_t notifies = 0;									\
												\
	do {											\
		RING_IDX cons, prod = READ_ONCE(back->sring->req_prod);				\
												\
		if (RING_REQUEST_PROD_OVERFLOW(back, prod))					\
			return FAILED;								\
		xen_rmb();									\
		for (cons = back->req_cons; cons != prod; ) {					\
			name##_request_t request;						\
			name##_response_t response;						\
												\
			if (RING_REQUEST_CONS_OVERFLOW(back, cons))				\
				break;								\
			RING_COPY_REQUEST(back, cons, &request);				\
			WHOLE(request);								\
			back->req_cons = ++cons;						\
			name##_answer(&request, &response);					\
			*RING_GET_RESPONSE(back, back->rsp_prod_pvt) = response;		\
			back->rsp_prod_pvt++;							\
		}										\
		RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(back, notify);				\
		notifies += !!notify;								\
		RING_FINAL_CHECK_FOR_REQUESTS(back, more);					\
	} while (more);										\
	return notifies;									\
}												\
												\
/* The frontend alone: whatever lies in a slot becomes its own response. */			\
uint64_t micro_##name##_front_rounds(struct name##_front_ring *front,				\
				     const name##_request_t *requests, uint32_t batch,		\
				     uint64_t rounds)						\
{												\
	struct name##_sring *sring = front->sring;						\
	uint64_t sum = 0;									\
												\
	while (rounds--) {									\
		sum += name##_send(front, requests, batch);					\
		WRITE_ONCE(sring->req_event, READ_ONCE(sring->req_prod) + 1);			\
		WRITE_ONCE(sring->rsp_prod, READ_ONCE(sring->req_prod));			\
		sum += name##_collect(front);							\
	}											\
	return sum;										\
}												\
												\
/* Both sides. */										\
uint64_t micro_##name##_both_rounds(struct name##_front_ring *front,				\
				    struct name##_back_ring *back,				\
				    const name##_request_t *requests, uint32_t batch,		\
				    uint64_t rounds)						\
{												\
	uint64_t sum = 0;									\
												\
	while (rounds--) {									\
		sum += name##_send(front, requests, batch);					\
		sum += name##_serve(back);							\
		sum += name##_collect(front);							\
	}											\
	return sum;										\
}

RING_FUNCTIONS(blkif)
RING_FUNCTIONS(netif_tx)
