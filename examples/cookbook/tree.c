/* Parent pointers: a tree whose nodes own their children strongly and know their parent weakly: no cycle, no leak.
 * Whoever holds a node can ask for its path while another thread drops the tree around it.
 * Elsewhere: Rc and Weak in Rust's book. Here: wk_downgrade, wk_upgrade, WK_TYPE_PROMPT. */
#include <stdio.h>
#include <weakref.h>

struct node {
	char name[16];
	wk_weak *parent;       /* set once, by the constructor */
	struct node *children; /* strong: the first of a list */
	struct node *next;     /* strong: its next sibling */
};

static void node_destroy(void *payload)
{
	struct node *node = payload;

	wk_weak_release(node->parent);
	wk_release(node->children);
	wk_release(node->next);
}
/* Prompt: a released tree is gone at once, and however deep it is, its end needs no stack. */
WK_DEFINE_TYPE(node_type, struct node, .destroy = node_destroy, .flags = WK_TYPE_PROMPT);

/* The parent owns the new node; the result is borrowed from it. Without a parent the caller owns it. */
static struct node *node_new(const char *name, struct node *parent)
{
	struct node *node = WK_NEW(struct node, &node_type);

	if (!node)
		return NULL;
	snprintf(node->name, sizeof node->name, "%s", name);
	if (parent) {
		node->parent = wk_downgrade(parent);
		node->next = wk_steal(&parent->children);
		parent->children = node;
	}
	return node;
}

static void print_path(const struct node *node)
{
	WK_AUTO const struct node *parent = wk_upgrade(node->parent); /* held until its own path is printed */

	if (parent)
		print_path(parent);
	printf("/%s", node->name);
}

int main(void)
{
	struct node *usr = node_new("usr", NULL);
	struct node *lib = usr ? node_new("lib", usr) : NULL;
	struct node *gcc = lib ? node_new("gcc", lib) : NULL;
	if (!gcc)
		return 1;
	struct node *kept = wk_retain(gcc);

	print_path(kept);
	printf("\n");
	wk_release(usr); /* the tree goes, but for what somebody else holds */
	print_path(kept);
	printf("\n");
	wk_release(kept);

	wk_census nodes = { .struct_size = sizeof nodes };
	wk_type_census(&node_type, &nodes);
	printf("%u made, %u destroyed\n", (unsigned)nodes.created, (unsigned)nodes.destroyed);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
