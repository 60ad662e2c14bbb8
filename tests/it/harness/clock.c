/* Pins the wall clock of a program from outside (LD_PRELOAD): CLOCK_REALTIME stands at the Unix second that the file
 * $PINNED_CLOCK holds, eight bytes in the machine's order, and follows what is written there; every other clock goes on. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *pinned;

/* Before main, so that no thread can come first. */
__attribute__((constructor)) static void pin(void) {
    const char *path = getenv("PINNED_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *page = mmap(NULL, sizeof *pinned, PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) pinned = page;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (clock == CLOCK_REALTIME && pinned) {
        now->tv_sec = *pinned;
        now->tv_nsec = 0;
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, clock, now);
}
