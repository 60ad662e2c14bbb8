/* Pins the wall clock of a program from outside (LD_PRELOAD): CLOCK_REALTIME stands still at $PINNED_NOW (Unix
 * seconds), every other clock goes on. The vectors name the second in which they were signed. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    const char *pinned = getenv("PINNED_NOW");
    if (clock == CLOCK_REALTIME && pinned) {
        now->tv_sec = atoll(pinned);
        now->tv_nsec = 0;
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, clock, now);
}
