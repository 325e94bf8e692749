/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "qom/object.h"
#include "qom/user-object.h"
#include "util/error.h"
#include "util/keyval.h"

/* ---- types for the tests ---- */

typedef struct Animal {
    Object parent;
    bool tame;
    uint8_t legs;
    uint16_t age;
    uint32_t weight;
    uint64_t steps, memory;
    int32_t mood;
    int64_t depth;
    char *sound, *note;
    int color;
    Object *friend;
    int64_t custom;
} Animal;

OBJECT_CAST_DEFINE(Animal, ANIMAL, "test-animal")

static unsigned alive;
static GString *trace;

static const char *const colors[] = { "grey", "black", "white", NULL };

static struct json_object *get_custom(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_int64(ANIMAL(obj)->custom);
}

static bool set_custom(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    if (!json_object_is_type(value, json_type_int)) {
        error_set(errp, "custom expects an integer");
        return false;
    }
    ANIMAL(obj)->custom = json_object_get_int64(value);
    return true;
}

static bool check_age(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    if (json_object_get_int64(value) > 200) {
        error_set(errp, "nothing gets that old; expects at most 200");
        return false;
    }
    return true;
}

static void animal_init(Object *obj)
{
    alive++;
    g_string_append(trace, "animal+ ");
}

static void animal_finalize(Object *obj)
{
    alive--;
    g_string_append(trace, "animal- ");
}

static const Property animal_properties[] = {
    { .name = "tame",
      .kind = PROP_BOOL,
      .offset = offsetof(Animal, tame),
      .has_default = true,
      .default_int = 1 },
    { .name = "legs",
      .kind = PROP_UINT8,
      .offset = offsetof(Animal, legs),
      .has_default = true,
      .default_int = 4 },
    { .name = "age", .kind = PROP_UINT16, .offset = offsetof(Animal, age), .check = check_age },
    { .name = "weight", .kind = PROP_UINT32, .offset = offsetof(Animal, weight), .live = true },
    { .name = "steps", .kind = PROP_UINT64, .offset = offsetof(Animal, steps) },
    { .name = "memory", .kind = PROP_SIZE, .offset = offsetof(Animal, memory) },
    { .name = "mood",
      .kind = PROP_INT32,
      .offset = offsetof(Animal, mood),
      .has_default = true,
      .default_int = -1 },
    { .name = "depth", .kind = PROP_INT64, .offset = offsetof(Animal, depth) },
    { .name = "sound",
      .kind = PROP_STRING,
      .offset = offsetof(Animal, sound),
      .has_default = true,
      .default_str = "..." },
    { .name = "note", .kind = PROP_STRING, .offset = offsetof(Animal, note) },
    { .name = "color",
      .kind = PROP_ENUM,
      .offset = offsetof(Animal, color),
      .enum_names = colors,
      .has_default = true,
      .default_int = 2,
      .custom_type = "Color" },
    { .name = "friend",
      .kind = PROP_LINK,
      .offset = offsetof(Animal, friend),
      .link_type = "test-dog" },
    { .name = "custom",
      .kind = PROP_CUSTOM,
      .custom_type = "int",
      .get = get_custom,
      .set = set_custom },
    { .name = "born", .kind = PROP_UINT16, .offset = offsetof(Animal, age), .read_only = true },
    { NULL },
};

static const int animal_ops = 1, dog_ops = 2;

static const ObjectType animal_type = {
    .name = "test-animal",
    .parent = "object",
    .instance_size = sizeof(Animal),
    .abstract = true,
    .properties = animal_properties,
    .ops = &animal_ops,
    .init = animal_init,
    .finalize = animal_finalize,
};
OBJECT_TYPE_REGISTER(animal_type)

static void dog_init(Object *obj)
{
    g_string_append(trace, "dog+ ");
}

static void dog_finalize(Object *obj)
{
    g_string_append(trace, "dog- ");
}

static bool dog_complete(Object *obj, GError **errp)
{
    if (ANIMAL(obj)->legs == 3) {
        error_set(errp, "a dog needs 4 legs");
        return false;
    }
    return true;
}

static const Property dog_properties[] = {
    { .name = "sound",
      .kind = PROP_STRING,
      .offset = offsetof(Animal, sound),
      .has_default = true,
      .default_str = "wuff" },
    { NULL },
};

static const ObjectType dog_type = {
    .name = "test-dog",
    .parent = "test-animal",
    .user_creatable = true,
    .properties = dog_properties,
    .ops = &dog_ops,
    .init = dog_init,
    .finalize = dog_finalize,
    .complete = dog_complete,
};
OBJECT_TYPE_REGISTER(dog_type)

static bool cat_can_be_deleted(Object *obj, GError **errp)
{
    if (!ANIMAL(obj)->tame) {
        error_set(errp, "the cat does not want to");
        return false;
    }
    return true;
}

/* Its properties are those of its dog, too. */
static const ObjectType sledge_type = {
    .name = "test-sledge",
    .parent = "object",
    .user_creatable = true,
    .part = "puller",
    .part_type = "test-dog",
};
OBJECT_TYPE_REGISTER(sledge_type)

static const ObjectType cat_type = {
    .name = "test-cat",
    .parent = "test-animal",
    .user_creatable = true,
    .can_be_deleted = cat_can_be_deleted,
};
OBJECT_TYPE_REGISTER(cat_type)

/* ---- helpers ---- */

static void expect_get(Object *obj, const char *name, const char *want)
{
    g_autoptr(GError) err = NULL;
    struct json_object *value = object_property_get(obj, name, &err);

    g_assert_no_error(err);
    g_assert_cmpstr(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                                              JSON_C_TO_STRING_NOSLASHESCAPE),
                    ==, want);
    json_object_put(value);
}

/* Set from JSON (@text false) or text; @want NULL: works; else a part of the message. */
static void expect_set(Object *obj, const char *name, const char *value, bool text,
                       const char *want)
{
    g_autoptr(GError) err = NULL;
    bool ok;

    if (text) {
        ok = object_property_parse(obj, name, value, &err);
    } else {
        struct json_object *json = json_tokener_parse(value);

        ok = object_property_set(obj, name, json, &err);
        json_object_put(json);
    }
    if (want) {
        g_assert_false(ok);
        g_assert_nonnull(err);
        if (!strstr(err->message, want)) {
            g_assert_cmpstr(err->message, ==, want);
        }
    } else {
        g_assert_no_error(err);
        g_assert_true(ok);
    }
}

/* ---- types ---- */

static void test_types(void)
{
    g_autoptr(GPtrArray) types = object_types();
    g_autoptr(GPtrArray) props = object_type_properties(&dog_type);
    g_autoptr(GError) err = NULL;

    g_assert_true(object_type_find("test-dog") == &dog_type);
    g_assert_null(object_type_find("test-unicorn"));
    g_assert_true(object_type_parent(&dog_type) == &animal_type);
    g_assert_true(object_type_is_a(&dog_type, "object"));
    g_assert_true(object_type_is_a(&dog_type, "test-dog"));
    g_assert_false(object_type_is_a(&animal_type, "test-dog"));
    g_assert_true(object_type_ops(&dog_type) == &dog_ops);
    g_assert_true(object_type_ops(&cat_type) == &animal_ops);
    g_assert_null(object_type_ops(object_type_find("object")));

    for (size_t i = 1; i < types->len; i++) {
        const ObjectType *a = types->pdata[i - 1], *b = types->pdata[i];

        g_assert_cmpstr(a->name, <, b->name);
    }
    /* own first; "sound" once; "type" of "object" last */
    g_assert_cmpuint(props->len, ==, G_N_ELEMENTS(animal_properties) - 1 + 1);
    g_assert_true(props->pdata[0] == &dog_properties[0]);
    g_assert_cmpstr(((const Property *)props->pdata[props->len - 1])->name, ==, "type");

    g_assert_null(object_new("test-animal", &err));
    g_assert_nonnull(strstr(err->message, "abstract"));
    g_clear_error(&err);
    g_assert_null(object_new("test-unicorn", &err));
    g_assert_nonnull(strstr(err->message, "no type 'test-unicorn'"));
}

static void test_type_names(void)
{
    static const char *const want[] = { "bool",  "uint8",          "uint16", "uint32", "uint64",
                                        "size",  "int32",          "int64",  "string", "string",
                                        "Color", "link<test-dog>", "int",    "uint16" };

    for (size_t i = 0; i < G_N_ELEMENTS(want); i++) {
        g_autofree char *name = object_property_type_name(&animal_properties[i]);

        g_assert_cmpstr(name, ==, want[i]);
    }
}

static void test_life(void)
{
    Object *dog;

    g_string_truncate(trace, 0);
    dog = object_new("test-dog", NULL);
    g_assert_cmpuint((uintptr_t)dog % 64, ==, 0);
    g_assert_cmpstr(trace->str, ==, "animal+ dog+ ");
    object_ref(dog);
    object_unref(dog);
    g_assert_cmpuint(alive, ==, 1);
    object_unref(dog);
    object_unref(NULL);
    g_assert_cmpstr(trace->str, ==, "animal+ dog+ dog- animal- ");
    g_assert_cmpuint(alive, ==, 0);
}

/* ---- properties ---- */

static void test_defaults(void)
{
    g_autoptr(Object) cat = object_new("test-cat", NULL);
    g_autoptr(Object) dog = object_new("test-dog", NULL);

    expect_get(cat, "type", "\"test-cat\"");
    expect_get(cat, "tame", "true");
    expect_get(cat, "legs", "4");
    expect_get(cat, "mood", "-1");
    expect_get(cat, "sound", "\"...\"");
    expect_get(dog, "sound", "\"wuff\"");
    expect_get(cat, "note", "\"\"");
    expect_get(cat, "color", "\"white\"");
    expect_get(cat, "friend", "\"\"");
}

static void test_set(void)
{
    static const struct {
        const char *name, *value, *get, *error;
        bool text;
    } cases[] = {
        { "tame", "false", "false" },
        { "tame", "\"on\"", NULL, "'test-cat.tame' expects true or false, got \"on\"" },
        { "tame", "on", "true", NULL, true },
        { "tame", "maybe", NULL, "Property test-cat.tame=maybe is not right: expects on or off",
          true },
        { "legs", "255", "255" },
        { "legs", "256", NULL,
          "Property 'test-cat.legs' expects an integer from 0 to 255, got 256" },
        { "legs", "-1", NULL, "expects an integer from 0 to 255, got -1" },
        { "legs", "\"3\"", NULL, "expects an integer from 0 to 255, got \"3\"" },
        { "legs", "2.5", NULL, "expects an integer from 0 to 255, got 2.5" },
        { "legs", "0x10", "16", NULL, true },
        { "legs", "x", NULL, "legs=x is not right: expects an integer from 0 to 255", true },
        { "legs", "256", NULL, "legs=256 is not right: expects an integer from 0 to 255", true },
        { "legs", "-1", NULL, "legs=-1 is not right: expects an integer from 0 to 255", true },
        { "legs", "", NULL, "legs= is not right: expects an integer from 0 to 255", true },
        { "age", "200", "200" },
        { "age", "201", NULL, "nothing gets that old" },
        { "weight", "4294967295", "4294967295" },
        { "weight", "4294967296", NULL, "from 0 to 4294967295" },
        { "steps", "18446744073709551615", "18446744073709551615" },
        { "steps", "0xffffffffffffffff", "18446744073709551615", NULL, true },
        { "steps", "99999999999999999999", NULL, "from 0 to 18446744073709551615", true },
        { "memory", "4096", "4096" },
        { "memory", "\"1G\"", NULL, "an integer of 0 or more, got \"1G\"" },
        { "memory", "1.5G", "1610612736", NULL, true },
        { "memory", "1Q", NULL, "Property test-cat.memory: '1Q' is not a size", true },
        { "mood", "-2147483648", "-2147483648" },
        { "mood", "-2147483649", NULL, "from -2147483648 to 2147483647" },
        { "mood", "-7", "-7", NULL, true },
        { "depth", "-9223372036854775808", "-9223372036854775808", NULL, true },
        { "sound", "\"miau\"", "\"miau\"" },
        { "sound", "purr", "\"purr\"", NULL, true },
        { "sound", "7", NULL, "expects a string, got 7" },
        { "color", "\"black\"", "\"black\"" },
        { "color", "grey", "\"grey\"", NULL, true },
        { "color", "\"pink\"", NULL, "expects one of 'grey', 'black', 'white', got 'pink'" },
        { "color", "1", NULL, "expects a string, got 1" },
        { "custom", "42", "42" },
        { "custom", "43", "43", NULL, true },
        { "custom", "\"x\"", NULL, "custom expects an integer" },
        { "born", "1", NULL, "'test-cat.born' is read-only" },
        { "type", "\"x\"", NULL, "'test-cat.type' is read-only" },
        { "wings", "1", NULL, "Property 'test-cat.wings' not found; the properties of" },
        { "wings", "1", NULL, "Property 'test-cat.wings' not found; the properties of", true },
        { "legs", "null", NULL, "expects an integer from 0 to 255, got null" },
    };
    g_autoptr(Object) cat = object_new("test-cat", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s=%s", cases[i].name, cases[i].value);
        expect_set(cat, cases[i].name, cases[i].value, cases[i].text, cases[i].error);
        if (cases[i].get) {
            expect_get(cat, cases[i].name, cases[i].get);
        }
    }
    expect_get(cat, "legs", "16"); /* refused values changed nothing */
    expect_get(cat, "age", "200");
    expect_get(cat, "color", "\"grey\"");
    g_assert_false(object_property_parse(cat, "legs", "x", NULL));
    g_assert_null(object_property_get(cat, "wings", NULL));
}

static void test_settle(void)
{
    g_autoptr(Object) cat = object_new("test-cat", NULL);

    object_settle(cat, true);
    expect_set(cat, "legs", "3", false, "'test-cat.legs' can no longer be changed");
    expect_set(cat, "weight", "3", false, NULL);
    object_settle(cat, false);
    expect_set(cat, "legs", "3", false, NULL);
}

static void test_set_properties(void)
{
    static const char *const skip[] = { "id", "driver", NULL };
    g_autoptr(Object) cat = object_new("test-cat", NULL);
    g_autoptr(GError) err = NULL;
    struct json_object *props =
        keyval_parse("test-cat,id=x,legs=7,tame=no,memory=1k", "driver", NULL);
    struct json_object *strings = json_tokener_parse("{\"legs\":\"7\"}");

    g_assert_true(object_set_properties(cat, props, skip, &err));
    expect_get(cat, "legs", "7");
    expect_get(cat, "tame", "false");
    expect_get(cat, "memory", "1024");
    g_assert_false(object_set_properties(cat, strings, skip, &err)); /* strings are not ints */
    g_clear_error(&err);
    keyval_mark_texts(strings); /* texts can be */
    g_assert_true(object_set_properties(cat, strings, skip, &err));
    json_object_put(strings);
    g_assert_false(object_set_properties(cat, props, NULL, &err));
    g_assert_nonnull(strstr(err->message, "'test-cat.driver'"));
    json_object_put(props);
}

static void test_links(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(Object) owner = object_new("test-cat", NULL);
    Object *dog = user_object_add("test-dog", "rex", NULL, &err);
    Object *cat = user_object_add("test-cat", "tom", NULL, &err);

    g_assert_no_error(err);
    expect_set(owner, "friend", "\"rex\"", false, NULL);
    expect_get(owner, "friend", "\"/objects/rex\"");
    g_assert_cmpuint(dog->refs, ==, 2);
    expect_set(owner, "friend", "/objects/rex", true, NULL);
    g_assert_cmpuint(dog->refs, ==, 2);
    expect_set(owner, "friend", "tom", true,
               "'tom' is a test-cat; expects the id or path of a "
               "test-dog");
    expect_set(owner, "friend", "lassie", true, "there is no object 'lassie'");
    expect_set(owner, "friend", "7", false, "expects a string, got 7");
    expect_get(owner, "friend", "\"/objects/rex\"");
    g_assert_false(user_object_del("rex", &err));
    g_assert_nonnull(strstr(err->message, "'rex' is in use"));
    g_clear_error(&err);
    expect_set(owner, "friend", "\"\"", false, NULL);
    g_assert_cmpuint(dog->refs, ==, 1);
    g_assert_true(user_object_del("rex", &err));
    g_assert_cmpuint(cat->refs, ==, 1);
    g_assert_true(user_object_del("tom", &err));
    g_assert_no_error(err);

    /* devices are found by id too, and a link keeps its target alive */
    dog = object_new("test-dog", NULL);
    object_add_child(object_container("/machine/peripheral"), "dev0", dog, &err);
    object_unref(dog);
    expect_set(owner, "friend", "dev0", true, NULL);
    object_unparent(dog);
    expect_get(owner, "friend", "\"\""); /* no longer in the tree */
    g_assert_cmpuint(dog->refs, ==, 1);
}

/* ---- the tree ---- */

static bool collect(Object *obj, void *opaque)
{
    g_autofree char *path = object_path(obj);

    g_string_append_printf(opaque, "%s ", path);
    return strcmp(path, "/t/stop") != 0;
}

static void test_tree(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(GString) seen = g_string_new(NULL);
    Object *folder = object_container("/t/a/b");
    Object *dog = object_new("test-dog", NULL);
    g_autofree char *path = NULL;
    g_autofree char *root = object_path(object_root());
    bool ambiguous;

    g_assert_cmpstr(root, ==, "/");
    g_assert_true(object_container("/t/a/b") == folder);
    g_assert_true(object_container("/") == object_root());
    g_assert_null(object_path(dog));
    g_assert_true(object_add_child(folder, "rex", dog, &err));
    path = object_path(dog);
    g_assert_cmpstr(path, ==, "/t/a/b/rex");
    g_assert_true(object_child(folder, "rex") == dog);
    g_assert_null(object_child(dog, "x"));
    expect_get(folder, "rex", "\"/t/a/b/rex\"");
    expect_set(folder, "rex", "1", false, "is a child and cannot be set");

    g_assert_true(object_resolve("/t/a/b/rex", NULL) == dog);
    g_assert_true(object_resolve("/t//a/b/rex/", NULL) == dog);
    g_assert_true(object_resolve("rex", &ambiguous) == dog);
    g_assert_true(object_resolve("b/rex", &ambiguous) == dog);
    g_assert_true(object_resolve("/", NULL) == object_root());
    g_assert_null(object_resolve("", NULL));
    g_assert_null(object_resolve("/t/x", NULL));
    g_assert_null(object_resolve("/t/a/b/rex/friend", NULL)); /* a link that is not set */
    g_assert_null(object_resolve("rexx", &ambiguous));
    g_assert_false(ambiguous);

    g_assert_false(object_add_child(folder, "other", dog, &err));
    g_assert_nonnull(strstr(err->message, "in the tree already"));
    g_clear_error(&err);
    object_unref(dog);
    dog = object_new("test-dog", NULL);
    g_assert_false(object_add_child(folder, "rex", dog, &err));
    g_assert_nonnull(strstr(err->message, "'rex' is taken"));
    g_clear_error(&err);
    g_assert_false(object_add_child(folder, "type", dog, &err));
    g_clear_error(&err);
    g_assert_false(object_add_child(folder, "a/b", dog, &err));
    g_clear_error(&err);
    g_assert_true(object_add_child(object_container("/t"), "rex", dog, &err));
    object_unref(dog);
    g_assert_null(object_resolve("rex", &ambiguous));
    g_assert_true(ambiguous);

    object_container("/t/stop");
    object_container("/t/z");
    g_assert_false(object_foreach(object_container("/t"), collect, seen));
    g_assert_cmpstr(seen->str, ==, "/t /t/a /t/a/b /t/a/b/rex /t/rex /t/stop ");

    g_assert_cmpuint(alive, ==, 2);
    object_unparent(object_container("/t")); /* the children go with it */
    g_assert_cmpuint(alive, ==, 0);
    g_assert_null(object_resolve("/t", NULL));
}

static void test_array_names(void)
{
    Object *folder = object_container("/array");

    for (int i = 0; i < 3; i++) {
        Object *child = object_new("container", NULL);

        g_assert_true(object_add_child(folder, "device[*]", child, NULL));
        object_unref(child);
    }
    g_assert_nonnull(object_child(folder, "device[2]"));
    object_unparent(object_child(folder, "device[1]"));
    object_container("/array/other");
    {
        Object *child = object_new("container", NULL);

        g_assert_true(object_add_child(folder, "device[*]", child, NULL));
        g_assert_cmpstr(child->name, ==, "device[1]");
        object_unref(child);
    }
    object_unparent(folder);
}

static bool unparent_dogs(Object *obj, void *opaque)
{
    if (object_is_a(obj, "test-dog")) {
        object_unparent(obj);
    }
    return true;
}

static void test_change_during_walk(void)
{
    Object *folder = object_container("/walk");

    for (int i = 0; i < 5; i++) {
        Object *dog = object_new("test-dog", NULL);

        object_add_child(folder, "d[*]", dog, NULL);
        object_unref(dog);
    }
    g_assert_true(object_foreach(folder, unparent_dogs, NULL));
    g_assert_cmpuint(alive, ==, 0);
    object_unparent(folder);
}

/* ---- user-creatable objects ---- */

static void expect_add(const char *type, const char *id, const char *props, const char *want)
{
    struct json_object *json = props ? keyval_parse(props, NULL, NULL) : NULL;
    g_autoptr(GError) err = NULL;
    unsigned before = alive;
    Object *obj = user_object_add(type, id, json, &err);

    json_object_put(json);
    if (want) {
        g_assert_null(obj);
        if (!strstr(err->message, want)) {
            g_assert_cmpstr(err->message, ==, want);
        }
        g_assert_cmpuint(alive, ==, before); /* nothing is left */
    } else {
        g_assert_no_error(err);
        g_assert_true(object_child(object_container("/objects"), id) == obj);
    }
}

static void test_user_objects(void)
{
    g_autoptr(GError) err = NULL;

    expect_add("test-dog", "d1", "qom-type=test-dog,id=d1,legs=4", NULL);
    expect_add("test-dog", "d1", NULL, "the id 'd1' already");
    expect_add("test-dog", "d2", "legs=3", "a dog needs 4 legs");
    expect_add("test-dog", "d2", "legs=x", "test-dog.legs=x is not right: expects");
    expect_add("test-dog", "d2", "wings=2", "Property 'test-dog.wings' not found");
    expect_add("test-dog", "1d", NULL, "'1d' is not an id");
    expect_add("test-dog", "", NULL, "'' is not an id");
    expect_add("test-dog", "a/b", NULL, "'a/b' is not an id");
    expect_add("test-animal", "a", NULL, "not a type of objects that users can make");
    expect_add("container", "a", NULL, "test-cat, test-dog");
    expect_add("nonsense", "a", NULL, "'nonsense' is not a type");
    expect_set(object_resolve("d1", NULL), "legs", "3", false, "can no longer be changed");
    g_assert_null(object_resolve("/objects/d2", NULL));

    expect_add("test-cat", "c1", "tame=off", NULL);
    g_assert_false(user_object_del("c1", &err));
    g_assert_nonnull(strstr(err->message, "does not want to"));
    g_clear_error(&err);
    g_assert_false(user_object_del("c2", &err));
    g_assert_nonnull(strstr(err->message, "no object with the id 'c2'"));
    g_clear_error(&err);
    g_assert_true(user_object_del("d1", &err));
    g_assert_false(user_object_del("d1", NULL));
    ANIMAL(object_resolve("c1", NULL))->tame = true;
    g_assert_true(user_object_del("c1", &err));
    g_assert_cmpuint(alive, ==, 0);
}

static void test_ids(void)
{
    g_assert_true(object_id_wellformed("a"));
    g_assert_true(object_id_wellformed("ram-2.x_Y9"));
    g_assert_false(object_id_wellformed(""));
    g_assert_false(object_id_wellformed("-a"));
    g_assert_false(object_id_wellformed("9"));
    g_assert_false(object_id_wellformed("a b"));
    g_assert_false(object_id_wellformed("a\xc3\xa4"));
}

/* ---- -global ---- */

static unsigned unused;

static void count_unused(const char *type, const char *prop, const char *text)
{
    unused++;
}

static void assert_no_global(const char *type, const char *prop, const char *text, const char *why)
{
    g_autoptr(GError) err = NULL;

    g_assert_false(object_global_add(type, prop, text, &err));
    g_assert_nonnull(strstr(err->message, why));
}

static void keep_warning(void *opaque, const char *text)
{
    *(char **)opaque = g_strdup(text);
}

/* Of a type that is not there: a warning, for tools give what another machine would need. */
static void test_part(void)
{
    g_autoptr(GPtrArray) props = object_type_properties(object_type_find("test-sledge"));
    g_autoptr(Object) sledge = object_new("test-sledge", NULL);
    const Object *dog = object_child(sledge, "puller");
    g_autoptr(GError) err = NULL;
    struct json_object *legs, *type;
    unsigned types = 0;

    g_assert_true(object_is_a(dog, "test-dog"));
    g_assert_true(object_property_parse(sledge, "legs", "3", &err));
    g_assert_true(object_property_parse(sledge, "sound", "woof", &err));
    g_assert_cmpuint(ANIMAL(dog)->legs, ==, 3);
    legs = object_property_get(sledge, "legs", &err);
    g_assert_cmpint(json_object_get_int64(legs), ==, 3);
    json_object_put(legs);
    type = object_property_get(sledge, "type", &err); /* its own */
    g_assert_cmpstr(json_object_get_string(type), ==, "test-sledge");
    json_object_put(type);
    for (unsigned i = 0; i < props->len; i++) {
        types += strcmp(((const Property *)props->pdata[i])->name, "type") == 0;
    }
    g_assert_cmpuint(types, ==, 1);
    g_assert_false(object_property_parse(sledge, "legs", "300", &err));
    g_clear_error(&err);
    g_assert_false(object_property_parse(sledge, "wheels", "4", &err));
    g_assert_nonnull(strstr(err->message, "test-sledge.wheels' not found"));
}

static void test_unknown_global(void)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *warning = NULL;

    error_redirect(keep_warning, &warning);
    g_assert_true(object_global_add("test-unicorn", "legs", "4", &err));
    error_redirect(NULL, NULL);
    g_assert_no_error(err);
    g_assert_nonnull(strstr(warning, "warning: -global test-unicorn.legs=4"));
}

static void test_globals(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(Object) dog = NULL, cat = NULL;

    assert_no_global("test-dog", "horns", "4", "no property 'horns'");
    assert_no_global("test-dog", "born", "4", "read-only");
    assert_no_global("test-dog", "legs", "300", "legs");
    assert_no_global("test-dog", "tame", "maybe", "on or off");
    assert_no_global("test-cat", "age", "201", "nothing gets that old");
    g_assert_true(object_global_add("test-animal", "legs", "6", &err));
    g_assert_true(object_global_add("test-dog", "legs", "8", &err));
    g_assert_true(object_global_add("test-dog", "note", "good", &err));
    g_assert_true(object_global_add("test-cat", "friend", "nobody", &err)); /* seen later */
    object_globals_foreach_unused(count_unused);
    g_assert_cmpuint(unused, ==, 4);

    dog = object_new("test-dog", &err);
    g_assert_no_error(err);
    g_assert_cmpuint(ANIMAL(dog)->legs, ==, 8);
    g_assert_cmpstr(ANIMAL(dog)->note, ==, "good");
    unused = 0;
    object_globals_foreach_unused(count_unused);
    g_assert_cmpuint(unused, ==, 1);

    cat = object_new("test-cat", &err);
    g_assert_null(cat);
    g_assert_nonnull(strstr(err->message, "-global test-cat.friend=nobody: "));
}

static void test_casts(void)
{
    g_autoptr(Object) dog = object_new("test-dog", NULL);
    g_autoptr(Object) folder = object_new("container", NULL);

    g_assert_true(OBJECT(ANIMAL(dog)) == dog);
    g_assert_true(OBJECT(ANIMAL(dog)) == dog); /* that the type is right is known now */
    g_assert_null(ANIMAL(NULL));
    if (g_test_subprocess()) {
        ANIMAL(folder);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*'container' is used as 'test-animal'*");
}

static void test_find_type(void)
{
    Object *folder = object_container("/zoo");
    g_autoptr(Object) dog = object_new("test-dog", NULL);
    g_autoptr(Object) cat = object_new("test-cat", NULL);

    g_assert_null(object_find_type("test-animal"));
    g_assert_true(object_add_child(folder, "a", dog, NULL));
    g_assert_true(object_add_child(dog, "b", cat, NULL));
    g_assert_true(object_find_type("test-animal") == dog);
    g_assert_true(object_find_type("test-cat") == cat);
    g_assert_null(object_find_type("no-such-type"));
    {
        g_autoptr(GPtrArray) animals = object_list_type("test-animal");

        g_assert_cmpuint(animals->len, ==, 2);
        g_assert_true(animals->pdata[0] == dog && animals->pdata[1] == cat);
    }
    object_unparent(folder);
    g_assert_null(object_find_type("test-animal"));
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    trace = g_string_new(NULL);
    g_test_add_func("/qom/types", test_types);
    g_test_add_func("/qom/type-names", test_type_names);
    g_test_add_func("/qom/life", test_life);
    g_test_add_func("/qom/defaults", test_defaults);
    g_test_add_func("/qom/set", test_set);
    g_test_add_func("/qom/settle", test_settle);
    g_test_add_func("/qom/set-properties", test_set_properties);
    g_test_add_func("/qom/links", test_links);
    g_test_add_func("/qom/tree", test_tree);
    g_test_add_func("/qom/array-names", test_array_names);
    g_test_add_func("/qom/change-during-walk", test_change_during_walk);
    g_test_add_func("/qom/user-objects", test_user_objects);
    g_test_add_func("/qom/ids", test_ids);
    g_test_add_func("/qom/part", test_part);
    g_test_add_func("/qom/casts", test_casts);
    g_test_add_func("/qom/find-type", test_find_type);
    g_test_add_func("/qom/globals-unknown", test_unknown_global);
    g_test_add_func("/qom/globals", test_globals); /* last: they stay */
    status = g_test_run();
    g_string_free(trace, TRUE);
    return status;
}
