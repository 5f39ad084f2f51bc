// SPDX-License-Identifier: GPL-2.0-only
/* Stopping the machine: what is a macro in C. See linux/src/stop.rs. */
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/stop_machine.h>
#include <linux/suspend.h>
#include <linux/syscore_ops.h>

#include "xenpv.h"

struct stop {
	void (*run)(void *data);
	void *data;
};

/* On the first CPU, interrupts off, the others at rest. */
static int stopped(void *arg)
{
	struct stop *stop = arg;
	int err = syscore_suspend();

	if (err)
		return err;
	stop->run(stop->data);
	syscore_resume();
	return 0;
}

/* No CPU comes or goes and no other suspend of the system begins, until xenpv_stop_over() by the same task. */
unsigned int xenpv_stop_prepare(void)
{
	unsigned int flags = lock_system_sleep();

	cpu_hotplug_disable();
	return flags;
}

void xenpv_stop_over(unsigned int flags)
{
	cpu_hotplug_enable();
	unlock_system_sleep(flags);
}

/*
 * Runs run(data) while nothing else runs on any CPU and the clock is held: the time that passes meanwhile is seen as
 * sleep. Between the two above.
 */
int xenpv_stop_machine(void (*run)(void *data), void *data)
{
	struct stop stop = { .run = run, .data = data };

	return stop_machine(stopped, &stop, cpumask_of(0));
}
