// Stands in for the kernel where it tells about its clock, for a program that is started with this in LD_PRELOAD:
// whether the clock is synchronised (the file that KERNEL_SYNCHRONISED names has `yes`), and which boot of the machine this
// is (the file that KERNEL_BOOT names).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

int adjtimex(struct timex *reading) {
    char word[4] = "";
    FILE *file = fopen(getenv("KERNEL_SYNCHRONISED"), "r");
    if (file) {
        if (!fgets(word, sizeof word, file)) word[0] = 0;
        fclose(file);
    }
    int synchronised = strcmp(word, "yes") == 0;
    memset(reading, 0, sizeof *reading);
    // Like chrony, which leaves the flag set.
    reading->status = STA_UNSYNC;
    reading->maxerror = synchronised ? 20000 : 16000000;
    return TIME_ERROR;
}

int open64(const char *path, int flags, ...) {
    static int (*real)(const char *, int, ...);
    if (!real) real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return real(strcmp(path, "/proc/sys/kernel/random/boot_id") ? path : getenv("KERNEL_BOOT"), flags, mode);
}
