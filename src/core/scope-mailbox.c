/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of pointers under one leaf lock, with a condition variable for readers that block and an
 * eventfd, made on demand, for readers that poll. The eventfd's counter is non-zero exactly while
 * items wait or the mailbox is closed. Any thread.
 */
#include "core/scope-mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <glib-unix.h>

#include "core/scope-lock.h"

typedef struct {
    gpointer item;
    const char *key;
} Slot;

struct _ScopeMailbox {
    gint ref_count;
    ScopeMailboxPolicy policy;
    GDestroyNotify item_free;

    ScopeLock lock;
    ScopeCond cond;
    Slot *slots;
    guint n_slots; /* size of the ring; grows up to capacity */
    guint capacity;
    guint head;
    guint length;
    gboolean closed;
    int fd;
    gboolean fd_signalled;
    ScopeMailboxStats stats;

    /* Held while the callback runs, never together with lock. */
    ScopeLock taken_lock;
    ScopeMailboxNotify taken;
    gpointer taken_data;
};

ScopeMailbox *
scope_mailbox_new(guint capacity, ScopeMailboxPolicy policy, GDestroyNotify item_free)
{
    ScopeMailbox *self;

    g_return_val_if_fail(capacity >= 1, NULL);

    self = g_new0(ScopeMailbox, 1);
    self->ref_count = 1;
    self->policy = policy;
    self->item_free = item_free;
    self->capacity = capacity;
    self->n_slots = MIN(capacity, 16);
    self->slots = g_new0(Slot, self->n_slots);
    self->fd = -1;
    scope_lock_init(&self->lock);
    scope_lock_init(&self->taken_lock);
    scope_cond_init(&self->cond);
    return self;
}

ScopeMailbox *
scope_mailbox_ref(ScopeMailbox *self)
{
    g_return_val_if_fail(self != NULL, NULL);
    g_atomic_int_inc(&self->ref_count);
    return self;
}

static void
free_item(ScopeMailbox *self, gpointer item)
{
    if (item != NULL && self->item_free != NULL)
        self->item_free(item);
}

void
scope_mailbox_unref(ScopeMailbox *self)
{
    if (self == NULL || !g_atomic_int_dec_and_test(&self->ref_count))
        return;
    for (guint i = 0; i < self->length; i++)
        free_item(self, self->slots[(self->head + i) % self->n_slots].item);
    if (self->fd >= 0)
        close(self->fd);
    scope_cond_clear(&self->cond);
    scope_lock_clear(&self->taken_lock);
    scope_lock_clear(&self->lock);
    g_free(self->slots);
    g_free(self);
}

/* Keeps the eventfd in step with the queue. Lock held. */
static void
update_fd(ScopeMailbox *self)
{
    gboolean want = self->length > 0 || self->closed;
    guint64 one = 1;
    gssize ignored;

    if (self->fd < 0 || want == self->fd_signalled)
        return;
    if (want)
        ignored = write(self->fd, &one, sizeof one);
    else
        ignored = read(self->fd, &one, sizeof one);
    (void)ignored; /* cannot fail: the counter is 0 or 1 and we know which */
    self->fd_signalled = want;
}

static void
notify_taken(ScopeMailbox *self)
{
    SCOPE_LOCK_GUARD(&self->taken_lock);
    if (self->taken != NULL)
        self->taken(self, self->taken_data);
}

/* Makes room in the ring for one more item, below capacity. Lock held. */
static void
reserve_slot(ScopeMailbox *self)
{
    guint n_slots;
    Slot *slots;

    if (self->length < self->n_slots)
        return;
    n_slots = MIN(self->n_slots * 2, self->capacity);
    slots = g_new0(Slot, n_slots);
    for (guint i = 0; i < self->length; i++)
        slots[i] = self->slots[(self->head + i) % self->n_slots];
    g_free(self->slots);
    self->slots = slots;
    self->n_slots = n_slots;
    self->head = 0;
}

static gpointer
take_head(ScopeMailbox *self)
{
    gpointer item;

    if (self->length == 0)
        return NULL;
    item = self->slots[self->head].item;
    self->head = (self->head + 1) % self->n_slots;
    self->length--;
    return item;
}

/* Appends; returns in @ret_drop what has to be freed after the lock is released. Lock held. */
static gboolean
append(ScopeMailbox *self, const char *key, gpointer item, gpointer *ret_drop)
{
    gboolean dropped = FALSE;

    if (self->closed ||
        (self->length >= self->capacity && self->policy == SCOPE_MAILBOX_DROP_NEWEST)) {
        *ret_drop = item;
        self->stats.n_dropped++;
        return FALSE;
    }
    if (self->length >= self->capacity) {
        *ret_drop = take_head(self);
        self->stats.n_dropped++;
        dropped = TRUE;
    }
    reserve_slot(self);
    self->slots[(self->head + self->length) % self->n_slots] = (Slot){item, key};
    self->length++;
    self->stats.max_length = MAX(self->stats.max_length, self->length);
    return !dropped;
}

static gboolean
push(ScopeMailbox *self, const char *key, gpointer item)
{
    gpointer drop = NULL;
    gboolean kept = TRUE;
    gboolean replaced = FALSE;

    scope_lock_lock(&self->lock);
    self->stats.n_pushed++;
    for (guint i = 0; key != NULL && !self->closed && i < self->length; i++) {
        Slot *slot = &self->slots[(self->head + i) % self->n_slots];

        if (slot->key == key) {
            drop = slot->item;
            slot->item = item;
            self->stats.n_replaced++;
            replaced = TRUE;
            break;
        }
    }
    if (!replaced)
        kept = append(self, key, item, &drop);
    update_fd(self);
    scope_cond_signal(&self->cond);
    scope_lock_unlock(&self->lock);

    free_item(self, drop);
    return kept;
}

gboolean
scope_mailbox_push(ScopeMailbox *self, gpointer item)
{
    g_return_val_if_fail(self != NULL && item != NULL, FALSE);
    return push(self, NULL, item);
}

gboolean
scope_mailbox_push_keyed(ScopeMailbox *self, const char *key, gpointer item)
{
    g_return_val_if_fail(self != NULL && key != NULL && item != NULL, FALSE);
    return push(self, g_intern_string(key), item);
}

static gpointer
pop(ScopeMailbox *self, gint64 deadline_us)
{
    gpointer item;

    scope_lock_lock(&self->lock);
    while (self->length == 0 && !self->closed && deadline_us > 0 &&
           scope_cond_wait_until(&self->cond, &self->lock, deadline_us))
        ;
    item = take_head(self);
    if (item != NULL)
        self->stats.n_popped++;
    update_fd(self);
    scope_lock_unlock(&self->lock);

    if (item != NULL)
        notify_taken(self);
    return item;
}

gpointer
scope_mailbox_pop(ScopeMailbox *self)
{
    g_return_val_if_fail(self != NULL, NULL);
    return pop(self, 0);
}

gpointer
scope_mailbox_pop_until(ScopeMailbox *self, gint64 deadline_us)
{
    g_return_val_if_fail(self != NULL, NULL);
    return pop(self, deadline_us);
}

guint
scope_mailbox_clear(ScopeMailbox *self)
{
    g_autoptr(GPtrArray) items = g_ptr_array_new();
    gpointer item;

    g_return_val_if_fail(self != NULL, 0);

    scope_lock_lock(&self->lock);
    while ((item = take_head(self)) != NULL)
        g_ptr_array_add(items, item);
    self->stats.n_cleared += items->len;
    update_fd(self);
    scope_lock_unlock(&self->lock);

    for (guint i = 0; i < items->len; i++)
        free_item(self, items->pdata[i]);
    if (items->len > 0)
        notify_taken(self);
    return items->len;
}

void
scope_mailbox_close(ScopeMailbox *self)
{
    g_return_if_fail(self != NULL);

    SCOPE_LOCK_GUARD(&self->lock);
    self->closed = TRUE;
    update_fd(self);
    scope_cond_broadcast(&self->cond);
}

gboolean
scope_mailbox_is_closed(ScopeMailbox *self)
{
    SCOPE_LOCK_GUARD(&self->lock);
    return self->closed;
}

guint
scope_mailbox_get_length(ScopeMailbox *self)
{
    SCOPE_LOCK_GUARD(&self->lock);
    return self->length;
}

guint
scope_mailbox_get_capacity(ScopeMailbox *self)
{
    SCOPE_LOCK_GUARD(&self->lock);
    return self->capacity;
}

void
scope_mailbox_grow(ScopeMailbox *self, guint capacity)
{
    SCOPE_LOCK_GUARD(&self->lock);
    self->capacity = MAX(self->capacity, capacity);
}

void
scope_mailbox_get_stats(ScopeMailbox *self, ScopeMailboxStats *ret_stats)
{
    SCOPE_LOCK_GUARD(&self->lock);
    *ret_stats = self->stats;
    ret_stats->length = self->length;
}

void
scope_mailbox_set_taken_func(ScopeMailbox *self, ScopeMailboxNotify func, gpointer user_data)
{
    SCOPE_LOCK_GUARD(&self->taken_lock);
    self->taken = func;
    self->taken_data = user_data;
}

int
scope_mailbox_get_fd(ScopeMailbox *self)
{
    SCOPE_LOCK_GUARD(&self->lock);
    if (self->fd < 0) {
        self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        self->fd_signalled = FALSE;
        update_fd(self);
    }
    return self->fd;
}

typedef struct {
    GSource source;
    ScopeMailbox *mailbox;
    gpointer tag;
} MailboxSource;

static gboolean
source_check(GSource *source)
{
    MailboxSource *self = (MailboxSource *)source;

    /* A closed mailbox stays readable for pollers; a source only speaks of items. */
    return scope_mailbox_get_length(self->mailbox) > 0;
}

static gboolean
source_prepare(GSource *source, gint *timeout_ms)
{
    MailboxSource *self = (MailboxSource *)source;

    *timeout_ms = -1;
    if (scope_mailbox_is_closed(self->mailbox) && self->tag != NULL) {
        g_source_remove_unix_fd(source, self->tag);
        self->tag = NULL;
    }
    return source_check(source);
}

static gboolean
source_dispatch(GSource *source, GSourceFunc callback, gpointer user_data)
{
    MailboxSource *self = (MailboxSource *)source;

    if (callback == NULL)
        return G_SOURCE_REMOVE;
    return ((ScopeMailboxFunc)(void (*)(void))callback)(self->mailbox, user_data);
}

static void
source_finalize(GSource *source)
{
    scope_mailbox_unref(((MailboxSource *)source)->mailbox);
}

static GSourceFuncs source_funcs = {
    .prepare = source_prepare,
    .check = source_check,
    .dispatch = source_dispatch,
    .finalize = source_finalize,
};

GSource *
scope_mailbox_create_source(ScopeMailbox *self, gint priority, ScopeMailboxFunc func,
                            gpointer user_data, GDestroyNotify destroy)
{
    GSource *source;
    MailboxSource *mailbox_source;
    int fd;

    g_return_val_if_fail(self != NULL && func != NULL, NULL);

    source = g_source_new(&source_funcs, sizeof(MailboxSource));
    mailbox_source = (MailboxSource *)source;
    mailbox_source->mailbox = scope_mailbox_ref(self);
    fd = scope_mailbox_get_fd(self);
    if (fd >= 0)
        mailbox_source->tag = g_source_add_unix_fd(source, fd, G_IO_IN);
    g_source_set_static_name(source, "scope-mailbox");
    g_source_set_priority(source, priority);
    g_source_set_callback(source, (GSourceFunc)(void (*)(void))func, user_data, destroy);
    return source;
}
