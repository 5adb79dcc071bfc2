/* SPDX-License-Identifier: Apache-2.0 */
/* The real world behind the seam, and what happens when another world is put there. */
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static const char *in_folder(const char *name) {
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/sygra-test-os-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    sg_os = &sg_os_posix;
    return sg_os->rmdir(folder); /* fails when a test left something behind */
}

static void write_file(const char *path, const char *text, size_t n) {
    int fd = sg_os_posix.open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(sg_os_pwrite_all(fd, text, n, 0), 0);
    assert_int_equal(sg_os_posix.close(fd), 0);
}

static void test_errors_are_negative_errno_values(void **state) {
    (void)state;
    struct sg_file_info info;
    char byte;
    assert_int_equal(sg_os->open("/no/such/file", O_RDONLY, 0), -ENOENT);
    assert_int_equal(sg_os->close(-1), -EBADF);
    assert_int_equal(sg_os->read(-1, &byte, 1), -EBADF);
    assert_int_equal(sg_os->pread(-1, &byte, 1, 0), -EBADF);
    assert_int_equal(sg_os->pwrite(-1, &byte, 1, 0), -EBADF);
    assert_int_equal(sg_os->sync(-1), -EBADF);
    assert_int_equal(sg_os->truncate(-1, 0), -EBADF);
    assert_int_equal(sg_os->rename("/no/such/file", "/no/such/place"), -ENOENT);
    assert_int_equal(sg_os->unlink("/no/such/file"), -ENOENT);
    assert_int_equal(sg_os->rmdir("/no/such/file"), -ENOENT);
    assert_int_equal(sg_os->mkdir("/no/such/folder", 0777), -ENOENT);
    assert_int_equal(sg_os->stat("/no/such/file", &info), -ENOENT);
    assert_int_equal(sg_os->fstat(-1, &info), -EBADF);
}

static void test_a_file_lives_through_its_calls(void **state) {
    (void)state;
    const char *path = in_folder("file");
    struct sg_file_info info;
    char back[6] = "";
    int fd = sg_os->open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(sg_os_pwrite_all(fd, "hello", 5, 3), 0);
    assert_int_equal(sg_os->sync(fd), 0);
    assert_int_equal(sg_os_pread_all(fd, back, 5, 3), 0);
    assert_string_equal(back, "hello");
    assert_int_equal(sg_os_pread_all(fd, back, 5, 4), -ENODATA);
    assert_int_equal(sg_os->truncate(fd, 4), 0);
    assert_int_equal(sg_os->fstat(fd, &info), 0);
    assert_int_equal(info.size, 4);
    assert_true(info.is_regular && !info.is_dir);
    assert_true(llabs(info.mtime_ns - sg_os->wall_ns()) < 60 * INT64_C(1000000000));
    assert_int_equal(sg_os->close(fd), 0);
    assert_true(sg_os_exists(path));
    assert_int_equal(sg_os->unlink(path), 0);
    assert_false(sg_os_exists(path));
}

static void test_a_renamed_file_keeps_its_inode(void **state) {
    (void)state;
    char from[100], to[100];
    struct sg_file_info before, after;
    snprintf(from, sizeof from, "%s/from", folder);
    snprintf(to, sizeof to, "%s/to", folder);
    write_file(from, "x", 1);
    assert_int_equal(sg_os->stat(from, &before), 0);
    assert_int_equal(sg_os->rename(from, to), 0);
    assert_int_equal(sg_os->stat(to, &after), 0);
    assert_int_equal(before.inode, after.inode);
    assert_int_equal(before.device, after.device);
    assert_false(sg_os_exists(from));
    assert_int_equal(sg_os->unlink(to), 0);
}

static void test_a_file_is_read_whole(void **state) {
    (void)state;
    static char text[300000];
    static const size_t SIZES[] = {0, 1, 63, 64, 65, 65536, 300000};
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i * 7);
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        struct sg_arena a;
        struct sg_str got = SG_STR_NONE;
        struct sg_err err;
        sg_arena_init(&a, 0);
        write_file(in_folder("file"), text, SIZES[i]);
        assert_int_equal(sg_os_read_file(&a, in_folder("file"), SIZES[i], &got, &err), 0);
        assert_int_equal(got.n, SIZES[i]);
        assert_memory_equal(got.p, text, got.n);
        assert_int_equal(sg_os_read_file(&a, in_folder("file"), SIZE_MAX, &got, &err), 0);
        if (SIZES[i] > 0) {
            assert_int_equal(sg_os_read_file(&a, in_folder("file"), SIZES[i] - 1, &got, &err), SG_E_LIMIT);
            assert_non_null(strstr(err.text, "/file is larger than"));
        }
        sg_arena_fini(&a);
    }
    sg_os->unlink(in_folder("file"));
}

static void test_reading_a_file_without_a_known_size(void **state) {
    (void)state;
    struct sg_arena a;
    struct sg_str got;
    sg_arena_init(&a, 0);
    assert_int_equal(sg_os_read_file(&a, "/proc/self/maps", 10 << 20, &got, NULL), 0);
    assert_true(got.n > 100);
    assert_int_equal(sg_os_read_file(&a, "/dev/zero", 100000, &got, NULL), SG_E_LIMIT);
    sg_arena_fini(&a);
}

static void test_an_unreadable_file_is_named(void **state) {
    (void)state;
    struct sg_arena a;
    struct sg_str got;
    struct sg_err err;
    sg_arena_init(&a, 0);
    assert_int_equal(sg_os_read_file(&a, "/no/such/file", 10, &got, &err), SG_E_IO);
    assert_string_equal(err.text, "cannot open /no/such/file: No such file or directory");
    assert_int_equal(err.sys, ENOENT);
    assert_int_equal(sg_os_read_file(&a, "/tmp", 10, &got, &err), SG_E_IO);
    assert_string_equal(err.text, "cannot read /tmp: Is a directory");
    sg_arena_fini(&a);
}

static void test_folders_are_made_with_their_parents(void **state) {
    (void)state;
    assert_int_equal(sg_os_mkdirs(in_folder("a//b/c/")), 0);
    assert_int_equal(sg_os_mkdirs(in_folder("a/b/c")), 0);
    assert_int_equal(sg_os_mkdirs("/"), 0);
    assert_true(sg_os_exists(in_folder("a/b/c")));
    write_file(in_folder("a/file"), "", 0);
    assert_int_equal(sg_os_mkdirs(in_folder("a/file")), -ENOTDIR);
    assert_int_equal(sg_os_mkdirs(in_folder("a/file/below")), -ENOTDIR);
    assert_int_equal(sg_os_mkdirs(""), -ENOENT);
    sg_os->unlink(in_folder("a/file"));
    sg_os->rmdir(in_folder("a/b/c"));
    sg_os->rmdir(in_folder("a/b"));
    sg_os->rmdir(in_folder("a"));
}

static void on_alarm(int sig) {
    (void)sig;
}

/* Without SA_RESTART a blocked read ends with EINTR at the first alarm; a second one lets the writer's end speak. */
static void test_an_interrupted_read_goes_on(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        usleep(60000);
        _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
    }
    struct sigaction act = {.sa_handler = on_alarm}, before;
    sigaction(SIGALRM, &act, &before);
    struct itimerval every = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &every, NULL);
    char byte = 0;
    ssize_t got = sg_os->read(ends[0], &byte, 1);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    assert_int_equal(got, 1);
    assert_int_equal(byte, 'x');
    close(ends[0]);
    close(ends[1]);
    waitpid(child, NULL, 0);
}

static void test_clocks_go_forward_and_entropy_differs(void **state) {
    (void)state;
    uint64_t t = sg_os->now_ns();
    assert_true(sg_os->now_ns() >= t);
    assert_true(sg_os->wall_ns() > INT64_C(1700000000) * 1000000000);
    assert_int_not_equal(sg_os->entropy(), sg_os->entropy());
}

/* A world in which each transfer moves three bytes at most, and the n-th one fails. */
static int calls_left;

static ssize_t short_pread(int fd, void *p, size_t n, uint64_t at) {
    return calls_left-- == 0 ? -EIO : sg_os_posix.pread(fd, p, n < 3 ? n : 3, at);
}

static ssize_t short_pwrite(int fd, const void *p, size_t n, uint64_t at) {
    return calls_left-- == 0 ? -ENOSPC : sg_os_posix.pwrite(fd, p, n < 3 ? n : 3, at);
}

static ssize_t no_pwrite(int fd, const void *p, size_t n, uint64_t at) {
    (void)fd, (void)p, (void)n, (void)at;
    return 0;
}

static void test_whole_transfers_survive_short_counts_and_report_failures(void **state) {
    (void)state;
    struct sg_os world = sg_os_posix;
    world.pread = short_pread;
    world.pwrite = short_pwrite;
    sg_os = &world;
    int fd = sg_os->open(in_folder("short"), O_RDWR | O_CREAT, 0600);
    char back[11] = "";
    calls_left = 100;
    assert_int_equal(sg_os_pwrite_all(fd, "0123456789", 10, 0), 0);
    assert_int_equal(sg_os_pread_all(fd, back, 10, 0), 0);
    assert_string_equal(back, "0123456789");
    calls_left = 2;
    assert_int_equal(sg_os_pwrite_all(fd, "0123456789", 10, 0), -ENOSPC);
    calls_left = 2;
    assert_int_equal(sg_os_pread_all(fd, back, 10, 0), -EIO);
    world.pwrite = no_pwrite;
    assert_int_equal(sg_os_pwrite_all(fd, "0123456789", 10, 0), -EIO);
    sg_os->close(fd);
    sg_os->unlink(in_folder("short"));
    sg_os = &sg_os_posix;
}

static void add_name(void *ud, const char *name) {
    strcat(ud, name);
    strcat(ud, ",");
}

static void test_a_folder_is_listed_without_itself(void **state) {
    (void)state;
    char names[100] = "";
    sg_os->mkdir(in_folder("list"), 0700);
    assert_int_equal(sg_os->list(in_folder("list"), add_name, names), 0);
    assert_string_equal(names, "");
    sg_os->mkdir(in_folder("list/a"), 0700);
    sg_os->close(sg_os->open(in_folder("list/.b"), O_RDWR | O_CREAT, 0600));
    assert_int_equal(sg_os->list(in_folder("list"), add_name, names), 0);
    assert_true(strcmp(names, "a,.b,") == 0 || strcmp(names, ".b,a,") == 0);
    assert_int_equal(sg_os->list(in_folder("list/none"), add_name, names), -ENOENT);
    assert_int_equal(sg_os->list(in_folder("list/.b"), add_name, names), -ENOTDIR);
    assert_int_equal(sg_os_sync_folder(in_folder("list")), 0);
    assert_int_equal(sg_os_sync_folder(in_folder("list/none")), -ENOENT);
    assert_true(sg_os->real);
    sg_os->unlink(in_folder("list/.b"));
    sg_os->rmdir(in_folder("list/a"));
    sg_os->rmdir(in_folder("list"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_are_negative_errno_values),
        cmocka_unit_test(test_a_file_lives_through_its_calls),
        cmocka_unit_test(test_a_renamed_file_keeps_its_inode),
        cmocka_unit_test(test_a_file_is_read_whole),
        cmocka_unit_test(test_reading_a_file_without_a_known_size),
        cmocka_unit_test(test_an_unreadable_file_is_named),
        cmocka_unit_test(test_folders_are_made_with_their_parents),
        cmocka_unit_test(test_an_interrupted_read_goes_on),
        cmocka_unit_test(test_clocks_go_forward_and_entropy_differs),
        cmocka_unit_test(test_whole_transfers_survive_short_counts_and_report_failures),
        cmocka_unit_test(test_a_folder_is_listed_without_itself),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
