/* Observer list: a subject tells those who watch it, and keeps none of them alive.
 * A handler may subscribe, unsubscribe or drop the last reference of any observer, itself included: no lock is held.
 * Elsewhere: signals and slots with tracked receivers. Here: wk_key_dict from observers to subscriptions, WK_EACH. */
#include <stdio.h>
#include <weakref.h>

struct event {
	const char *text;
};

struct observer {
	const char *name;
	unsigned seen;
};
WK_DEFINE_TYPE(observer_type, struct observer, .flags = 0);

typedef void handler(struct observer *observer, const struct event *event);

struct subscription {
	handler *handle;
};
WK_DEFINE_TYPE(subscription_type, struct subscription, .flags = WK_TYPE_NO_WEAK);

struct subject {
	wk_key_dict *observers;
};

static void subject_destroy(void *payload)
{
	wk_release(((struct subject *)payload)->observers);
}
WK_DEFINE_TYPE(subject_type, struct subject, .destroy = subject_destroy);

static struct subject *subject_new(void)
{
	const wk_key_dict_options of = {
		.struct_size = sizeof of,
		.key_type = &observer_type,
		.value_type = &subscription_type,
	};
	struct subject *subject = WK_NEW(struct subject, &subject_type);

	if (!subject)
		return NULL;
	subject->observers = wk_key_dict_new(&of, NULL);
	if (!subject->observers)
		wk_clear(&subject); /* its destroy copes with what is there */
	return subject;
}

static int subscribe(struct subject *subject, struct observer *observer, handler *handle)
{
	WK_AUTO struct subscription *subscription = WK_NEW(struct subscription, &subscription_type);

	if (!subscription)
		return wk_last_status();
	subscription->handle = handle;
	return wk_key_dict_set(subject->observers, observer, subscription);
}

static int unsubscribe(struct subject *subject, const struct observer *observer)
{
	return wk_key_dict_remove(subject->observers, observer);
}

static void notify(struct subject *subject, const struct event *event)
{
	WK_EACH(struct observer, observer, subject->observers) { /* holds the observer and its subscription */
		const struct subscription *subscription = wk_cursor_value(&observer_cursor);

		subscription->handle(observer, event);
	}
}

static void on_event(struct observer *observer, const struct event *event)
{
	observer->seen++;
	printf("%s: %s\n", observer->name, event->text);
}

int main(void)
{
	struct subject *subject = subject_new();
	struct observer *anna = WK_NEW(struct observer, &observer_type);
	struct observer *bert = WK_NEW(struct observer, &observer_type);
	if (!subject || !anna || !bert)
		return 1;
	anna->name = "anna";
	bert->name = "bert";
	if (subscribe(subject, anna, on_event) < 0)
		return 1;
	notify(subject, &(struct event){ "one" });
	if (subscribe(subject, bert, on_event) < 0 || unsubscribe(subject, anna) < 0)
		return 1;
	notify(subject, &(struct event){ "two" });
	wk_release(bert); /* gone from the list, too */
	notify(subject, &(struct event){ "three" });
	printf("anna has seen %u, %zu are left\n", anna->seen, wk_key_dict_len(subject->observers));

	wk_release(anna);
	wk_release(subject);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
