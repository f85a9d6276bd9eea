/* SPDX-License-Identifier: Apache-2.0 */
/* The pacer's thread between a queue and a receiver: rate, pause, end, and all of it at once. */
#include "core/scope-chain.h"
#include "core/scope-lock.h"
#include "fake-pipelines.h"
#include "server/scope-pacer.h"

#define WAIT_US (20 * G_USEC_PER_SEC)

typedef struct {
    ScopeLock lock;
    ScopeChain *chain;
    guint n_shown;
    guint n_same; /* the same frame again */
    ScopeFrame *last;
    gint64 last_us;         /* when it was shown */
    gint64 least_repeat_us; /* between a frame and the same again; 0 = none was repeated */
    gint64 last_pts_us;
    gboolean is_disordered;
} Receiver;

static gboolean
on_show(ScopeFrame *frame, gint64 pts_us, gpointer user_data)
{
    Receiver *receiver = user_data;
    gint64 now_us = g_get_monotonic_time();
    gint64 since_us;

    SCOPE_LOCK_GUARD(&receiver->lock);
    since_us = now_us - receiver->last_us;
    receiver->n_shown++;
    if (frame == receiver->last) {
        receiver->n_same++;
        receiver->least_repeat_us =
            receiver->n_same > 1 ? MIN(receiver->least_repeat_us, since_us) : since_us;
    }
    receiver->last_us = now_us;
    receiver->is_disordered = receiver->is_disordered || pts_us < receiver->last_pts_us;
    receiver->last = frame;
    receiver->last_pts_us = pts_us;
    return TRUE;
}

static gdouble
get_fps(gpointer user_data)
{
    Receiver *receiver = user_data;

    return receiver->chain ? scope_chain_get_fps(receiver->chain) : 50.0;
}

static guint
get_shown(Receiver *receiver)
{
    SCOPE_LOCK_GUARD(&receiver->lock);
    return receiver->n_shown;
}

static gboolean
wait_shown(Receiver *receiver, guint n)
{
    gint64 deadline_us = g_get_monotonic_time() + WAIT_US;

    while (get_shown(receiver) < n && g_get_monotonic_time() < deadline_us) {
        g_usleep(1000);
    }
    return get_shown(receiver) >= n;
}

static ScopePacer *
make(Receiver *receiver, ScopeMailbox *queue)
{
    ScopePacerConfig config = {
        .queue = queue, .get_fps = get_fps, .show = on_show, .user_data = receiver};
    g_autoptr(GError) error = NULL;
    ScopePacer *pacer = scope_pacer_new(&config, &error);

    g_assert_no_error(error);
    return pacer;
}

static void
push(ScopeMailbox *queue, gint64 pts_us)
{
    ScopeFrame *frame = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 8, 8);

    frame->pts_us = pts_us;
    frame->born_us = g_get_monotonic_time();
    scope_mailbox_push(queue, frame);
}

static void
test_rate(void)
{
    Receiver receiver = {.lock = SCOPE_LOCK_INIT};
    g_autoptr(ScopeMailbox) queue =
        scope_mailbox_new(64, SCOPE_MAILBOX_DROP_NEWEST, (GDestroyNotify)scope_frame_unref);
    ScopePacer *pacer = make(&receiver, queue);
    gint64 start_us = g_get_monotonic_time();
    ScopePacerStats stats;

    for (guint i = 0; i < 26; i++) {
        push(queue, SCOPE_TIME_NONE);
    }
    g_assert_true(wait_shown(&receiver, 26));
    /* 25 intervals at 50 frames per second; a busy machine may only make it longer. */
    g_assert_cmpint(g_get_monotonic_time() - start_us, >=, 490000);
    scope_pacer_get_stats(pacer, &stats);
    g_assert_cmpuint(stats.n_shown, ==, 26);
    g_assert_false(receiver.is_disordered);
    scope_pacer_free(pacer);
}

static void
test_pause(void)
{
    Receiver receiver = {.lock = SCOPE_LOCK_INIT};
    g_autoptr(ScopeMailbox) queue =
        scope_mailbox_new(64, SCOPE_MAILBOX_DROP_NEWEST, (GDestroyNotify)scope_frame_unref);
    ScopePacer *pacer = make(&receiver, queue);
    guint n;

    push(queue, SCOPE_TIME_NONE);
    g_assert_true(wait_shown(&receiver, 1));
    scope_pacer_set_paused(pacer, TRUE);
    push(queue, SCOPE_TIME_NONE);
    n = get_shown(&receiver);
    g_assert_true(wait_shown(&receiver, n + 3));
    scope_lock_lock(&receiver.lock);
    g_assert_cmpuint(receiver.n_same, >=, 3);
    g_assert_cmpint(receiver.least_repeat_us, >=, SCOPE_PACER_REPEAT_US);
    scope_lock_unlock(&receiver.lock);
    scope_pacer_set_paused(pacer, FALSE);
    scope_lock_lock(&receiver.lock);
    n = receiver.n_shown - receiver.n_same;
    scope_lock_unlock(&receiver.lock);
    g_assert_cmpuint(n, <=, 2);
    push(queue, SCOPE_TIME_NONE);
    g_assert_true(wait_shown(&receiver, get_shown(&receiver) + 1));
    scope_pacer_free(pacer);
}

static void
test_ends_at_once(void)
{
    Receiver receiver = {.lock = SCOPE_LOCK_INIT};
    g_autoptr(ScopeMailbox) queue =
        scope_mailbox_new(8, SCOPE_MAILBOX_DROP_NEWEST, (GDestroyNotify)scope_frame_unref);

    for (guint i = 0; i < 100; i++) {
        ScopePacer *pacer = make(&receiver, queue);
        push(queue, i % 2 ? SCOPE_TIME_NONE : g_get_monotonic_time());
        scope_pacer_set_paused(pacer, i % 3 == 0);
        scope_pacer_free(pacer);
    }
    push(queue, SCOPE_TIME_NONE);
    g_assert_true(scope_mailbox_is_closed(queue));
}

/* The way of frames in a session: source thread, chain of two, pacer; parameters from main. */
static void
test_flow(void)
{
    g_autoptr(ScopeInstance) first = fake_load("fake", "{}");
    g_autoptr(ScopeInstance) second = fake_load("fake", "{}");
    ScopeChainNode nodes[] = {{.node_id = "a", .instance = first},
                              {.node_id = "b", .instance = second}};
    g_autoptr(JsonObject) params = fake_json("{'want':1,'input_mode':'video'}");
    ScopeChainConfig config = {.params = params};
    g_autoptr(GError) error = NULL;
    ScopeChain *chain = scope_chain_new(&config, nodes, 2, &error);
    Receiver receiver = {.lock = SCOPE_LOCK_INIT, .chain = chain};
    ScopePacer *pacer;

    g_assert_no_error(error);
    pacer = make(&receiver, scope_chain_get_output(chain));
    g_assert_true(scope_chain_start(chain, &error));
    for (guint i = 0; i < 200; i++) {
        g_autofree char *text = g_strdup_printf("{'delay_us':%u}", i % 5 * 100);
        g_autoptr(JsonObject) update = fake_json(text);
        ScopeFrame *frame = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 8, 8);
        frame->pts_us = frame->born_us = g_get_monotonic_time();
        scope_chain_push_input(chain, frame);
        scope_chain_update(chain, update, i % 2 ? "a" : NULL, NULL, NULL);
        scope_pacer_set_paused(pacer, i % 50 == 10);
        g_usleep(1500);
    }
    g_assert_true(wait_shown(&receiver, 20));
    scope_chain_request_stop(chain);
    scope_pacer_request_stop(pacer);
    g_assert_true(scope_chain_stop(chain));
    scope_pacer_free(pacer);
    scope_chain_unref(chain);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/server/pacer/rate", test_rate);
    g_test_add_func("/server/pacer/pause", test_pause);
    g_test_add_func("/server/pacer/ends-at-once", test_ends_at_once);
    g_test_add_func("/server/pacer/flow", test_flow);
    return g_test_run();
}
