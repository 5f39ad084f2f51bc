// SPDX-License-Identifier: GPL-2.0-only
/* Threads and waiting: what is inline in C or a macro. See linux/src/thread.rs. */
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

#include "xenpv.h"

/*
 * Sleeps until condition(data) holds. 1 when it does, 0 when msecs have passed without it (negative: no limit),
 * -ERESTARTSYS when a signal ends the wait: a fatal one, or any.
 *
 * A thread of our own sleeps idle: it waits for ever without counting as load or as hung.
 */
long xenpv_wait(struct wait_queue_head *queue, bool (*condition)(void *data), void *data, s64 msecs, enum xenpv_sleep sleep)
{
	long ticks = msecs < 0 ? MAX_SCHEDULE_TIMEOUT : msecs_to_jiffies(min_t(s64, msecs, INT_MAX)) + 1;
	long ret;

	switch (sleep) {
	case XENPV_SLEEP_KILLABLE:
		ret = wait_event_killable_timeout(*queue, condition(data), ticks);
		break;
	case XENPV_SLEEP_INTERRUPTIBLE:
		ret = wait_event_interruptible_timeout(*queue, condition(data), ticks);
		break;
	default:
		ret = wait_event_idle_timeout(*queue, condition(data), ticks);
	}
	return ret > 0 ? 1 : ret;
}

/*
 * A stopped thread's task is looked at by kthread_stop, also when its function has returned before: hence the
 * reference.
 */
struct task_struct *xenpv_thread_create(int (*function)(void *data), void *data, const char *name)
{
	struct task_struct *task = kthread_create(function, data, "%s", name);

	if (!IS_ERR(task)) {
		get_task_struct(task);
		wake_up_process(task);
	}
	return task;
}

void xenpv_thread_stop(struct task_struct *task)
{
	kthread_stop(task);
	put_task_struct(task);
}

bool xenpv_thread_should_stop(void)
{
	return kthread_should_stop();
}

bool xenpv_thread_is_current(const struct task_struct *task)
{
	return task == current;
}

unsigned int xenpv_noio_save(void)
{
	return memalloc_noio_save();
}

void xenpv_noio_restore(unsigned int flags)
{
	memalloc_noio_restore(flags);
}

/* Lets others run, if they are due. */
void xenpv_yield(void)
{
	cond_resched();
}

bool xenpv_killed(void)
{
	return fatal_signal_pending(current);
}

u64 xenpv_monotonic_ms(void)
{
	return div_u64(ktime_get_ns(), NSEC_PER_MSEC);
}
