/* SPDX-License-Identifier: Apache-2.0 */
/* Mailboxes: order, policies, counters, the event source, and many threads at once. */
#include "core/scope-mailbox.h"

#include <poll.h>

#include "core/scope-thread.h"

#define ITEM(n) GUINT_TO_POINTER(n)

static guint n_freed;

static void
count_free(gpointer item)
{
    g_atomic_int_inc(&n_freed);
}

static void
test_policies(void)
{
    g_autoptr(ScopeMailbox) newest = scope_mailbox_new(3, SCOPE_MAILBOX_DROP_NEWEST, count_free);
    g_autoptr(ScopeMailbox) oldest = scope_mailbox_new(3, SCOPE_MAILBOX_DROP_OLDEST, count_free);
    ScopeMailboxStats stats;

    n_freed = 0;
    for (guint i = 1; i <= 5; i++) {
        g_assert_cmpint(scope_mailbox_push(newest, ITEM(i)), ==, i <= 3);
        g_assert_cmpint(scope_mailbox_push(oldest, ITEM(i)), ==, i <= 3);
    }
    g_assert_cmpuint(n_freed, ==, 4);
    for (guint i = 1; i <= 3; i++) {
        g_assert_cmpuint(GPOINTER_TO_UINT(scope_mailbox_pop(newest)), ==, i);
        g_assert_cmpuint(GPOINTER_TO_UINT(scope_mailbox_pop(oldest)), ==, i + 2);
    }
    g_assert_null(scope_mailbox_pop(newest));
    scope_mailbox_get_stats(newest, &stats);
    g_assert_cmpuint(stats.n_pushed, ==, 5);
    g_assert_cmpuint(stats.n_popped, ==, 3);
    g_assert_cmpuint(stats.n_dropped, ==, 2);
    g_assert_cmpuint(stats.max_length, ==, 3);
}

static void
test_keys(void)
{
    g_autoptr(ScopeMailbox) mailbox = scope_mailbox_new(2, SCOPE_MAILBOX_DROP_NEWEST, count_free);

    n_freed = 0;
    g_assert_true(scope_mailbox_push_keyed(mailbox, "a", ITEM(1)));
    g_assert_true(scope_mailbox_push_keyed(mailbox, "b", ITEM(2)));
    g_assert_true(scope_mailbox_push_keyed(mailbox, "a", ITEM(3)));
    g_assert_false(scope_mailbox_push_keyed(mailbox, "c", ITEM(4)));
    g_assert_cmpuint(n_freed, ==, 2);
    g_assert_cmpuint(GPOINTER_TO_UINT(scope_mailbox_pop(mailbox)), ==, 3);
    g_assert_cmpuint(GPOINTER_TO_UINT(scope_mailbox_pop(mailbox)), ==, 2);
}

static void
test_grow_and_close(void)
{
    g_autoptr(ScopeMailbox) mailbox = scope_mailbox_new(20, SCOPE_MAILBOX_DROP_NEWEST, count_free);

    n_freed = 0;
    for (guint i = 1; i <= 20; i++) {
        g_assert_true(scope_mailbox_push(mailbox, ITEM(i)));
        if (i == 5)
            g_assert_cmpuint(GPOINTER_TO_UINT(scope_mailbox_pop(mailbox)), ==, 1);
    }
    scope_mailbox_grow(mailbox, 40);
    for (guint i = 21; i <= 41; i++)
        g_assert_true(scope_mailbox_push(mailbox, ITEM(i)));
    scope_mailbox_close(mailbox);
    g_assert_false(scope_mailbox_push(mailbox, ITEM(99)));
    for (guint i = 2; i <= 41; i++)
        g_assert_cmpuint(GPOINTER_TO_UINT(scope_mailbox_pop_until(mailbox, G_MAXINT64)), ==, i);
    g_assert_null(scope_mailbox_pop_until(mailbox, G_MAXINT64));
    g_assert_cmpuint(n_freed, ==, 1);
}

static gboolean
is_readable(ScopeMailbox *mailbox)
{
    struct pollfd fd = {scope_mailbox_get_fd(mailbox), POLLIN, 0};

    return poll(&fd, 1, 0) == 1;
}

static void
test_fd(void)
{
    g_autoptr(ScopeMailbox) mailbox = scope_mailbox_new(4, SCOPE_MAILBOX_DROP_OLDEST, NULL);

    scope_mailbox_push(mailbox, ITEM(1));
    g_assert_true(is_readable(mailbox));
    scope_mailbox_push(mailbox, ITEM(2));
    scope_mailbox_pop(mailbox);
    g_assert_true(is_readable(mailbox));
    scope_mailbox_pop(mailbox);
    g_assert_false(is_readable(mailbox));
    scope_mailbox_push(mailbox, ITEM(3));
    scope_mailbox_clear(mailbox);
    g_assert_false(is_readable(mailbox));
    scope_mailbox_close(mailbox);
    g_assert_true(is_readable(mailbox));
}

typedef struct {
    ScopeMailbox *mailbox;
    GMainLoop *loop;
    guint n_wanted;
    guint n_got;
    guint64 sum;
} Reader;

static gboolean
on_items(ScopeMailbox *mailbox, gpointer user_data)
{
    Reader *reader = user_data;
    gpointer item;

    while ((item = scope_mailbox_pop(mailbox)) != NULL) {
        reader->n_got++;
        reader->sum += GPOINTER_TO_UINT(item);
    }
    if (reader->n_got >= reader->n_wanted)
        g_main_loop_quit(reader->loop);
    return G_SOURCE_CONTINUE;
}

#define N_WRITERS 4
#define N_ITEMS   5000

static void
write_items(gpointer data)
{
    for (guint i = 1; i <= N_ITEMS; i++)
        scope_mailbox_push(data, ITEM(i));
}

static void
test_source_with_threads(void)
{
    g_autoptr(ScopeMailbox) mailbox =
        scope_mailbox_new(N_WRITERS * N_ITEMS, SCOPE_MAILBOX_DROP_NEWEST, NULL);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    Reader reader = {mailbox, loop, N_WRITERS * N_ITEMS, 0, 0};
    GSource *source =
        scope_mailbox_create_source(mailbox, G_PRIORITY_DEFAULT, on_items, &reader, NULL);
    ScopeThread *threads[N_WRITERS];

    g_source_attach(source, NULL);
    for (guint i = 0; i < N_WRITERS; i++)
        threads[i] = scope_thread_start("writer", write_items, mailbox, NULL);
    g_main_loop_run(loop);
    for (guint i = 0; i < N_WRITERS; i++)
        scope_thread_join(&threads[i]);
    g_source_destroy(source);
    g_source_unref(source);
    g_assert_cmpuint(reader.sum, ==, (guint64)N_WRITERS * N_ITEMS * (N_ITEMS + 1) / 2);
}

static void
read_items(gpointer data)
{
    Reader *reader = data;
    gpointer item;

    while ((item = scope_mailbox_pop_until(reader->mailbox, G_MAXINT64)) != NULL)
        reader->sum += GPOINTER_TO_UINT(item);
}

static void
on_taken(ScopeMailbox *mailbox, gpointer user_data)
{
    g_atomic_int_inc((gint *)user_data);
}

static void
test_blocking_readers(void)
{
    g_autoptr(ScopeMailbox) mailbox = scope_mailbox_new(100000, SCOPE_MAILBOX_DROP_NEWEST, NULL);
    Reader readers[2] = {{mailbox, NULL, 0, 0, 0}, {mailbox, NULL, 0, 0, 0}};
    ScopeThread *threads[2];
    gint n_taken = 0;

    scope_mailbox_set_taken_func(mailbox, on_taken, &n_taken);
    for (guint i = 0; i < 2; i++)
        threads[i] = scope_thread_start("reader", read_items, &readers[i], NULL);
    write_items(mailbox);
    scope_mailbox_close(mailbox);
    for (guint i = 0; i < 2; i++)
        g_assert_true(
            scope_thread_join_until(&threads[i], g_get_monotonic_time() + 10 * G_USEC_PER_SEC));
    scope_mailbox_set_taken_func(mailbox, NULL, NULL);
    g_assert_cmpuint(readers[0].sum + readers[1].sum, ==, (guint64)N_ITEMS * (N_ITEMS + 1) / 2);
    g_assert_cmpint(n_taken, ==, N_ITEMS);
}

static void
test_deadline(void)
{
    g_autoptr(ScopeMailbox) mailbox = scope_mailbox_new(1, SCOPE_MAILBOX_DROP_NEWEST, NULL);
    gint64 start_us = g_get_monotonic_time();

    g_assert_null(scope_mailbox_pop_until(mailbox, start_us + 20000));
    g_assert_cmpint(g_get_monotonic_time() - start_us, >=, 20000);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mailbox/policies", test_policies);
    g_test_add_func("/mailbox/keys", test_keys);
    g_test_add_func("/mailbox/grow-close", test_grow_and_close);
    g_test_add_func("/mailbox/fd", test_fd);
    g_test_add_func("/mailbox/source-threads", test_source_with_threads);
    g_test_add_func("/mailbox/blocking-readers", test_blocking_readers);
    g_test_add_func("/mailbox/deadline", test_deadline);
    return g_test_run();
}
