/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that comes late: which pages are missing, what the ends say of them, and who waits. */
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "memory/ram-resident.h"
#include "migration/large-page.h"
#include "migration/page-maps.h"
#include "migration/postcopy-release.h"
#include "migration/userfault.h"
#include "util/error.h"

#define PAGES 200u

static RamBlock *new_block(const char *name)
{
    RamBlock *block = ram_block_new(name, PAGES * RAM_PAGE, -1, false, true, 0, NULL);

    g_assert_nonnull(block);
    return block;
}

static GPtrArray *new_blocks(void)
{
    GPtrArray *blocks = g_ptr_array_new_with_free_func((GDestroyNotify)ram_block_unref);

    g_ptr_array_add(blocks, new_block("a"));
    g_ptr_array_add(blocks, new_block("b"));
    return blocks;
}

static void test_maps(void)
{
    g_autoptr(GPtrArray) blocks = new_blocks();
    PageMaps *maps = page_maps_new(blocks);
    PageMap *map = page_maps_find(maps, blocks->pdata[1]);
    PageRange range;

    g_assert_true(map == page_maps_find_host(maps, map->block->host + map->block->size - 1));
    g_assert_null(page_maps_find_host(maps, (const uint8_t *)&range));
    g_assert_false(page_map_next(map, 0, UINT64_MAX, &range));
    page_maps_lack(maps, map, &(PageRange){ 60, 80 });
    page_maps_lack(maps, map, &(PageRange){ 100, 90 });
    page_maps_lack(maps, &maps->maps[0], &(PageRange){ 199, 1 });
    g_assert_cmpuint(map->lacks, ==, 130);
    g_assert_cmpuint(maps->left, ==, 131);
    g_assert_true(page_map_next(map, 0, UINT64_MAX, &range));
    g_assert_cmpuint(range.first, ==, 60);
    g_assert_cmpuint(range.count, ==, 130);
    g_assert_true(page_map_next(map, 64, 70, &range));
    g_assert_cmpuint(range.first, ==, 64);
    g_assert_cmpuint(range.count, ==, 6);
    g_assert_false(page_map_next(map, 190, UINT64_MAX, &range));
    g_assert_false(page_maps_wait(maps));
    g_assert_true(page_map_ask(map, 64));
    g_assert_false(page_map_ask(map, 64));
    uint64_t waits = 0;
    g_assert_true(page_map_next_wait(map, &waits) && waits == 64);
    g_assert_true(page_map_next_wait(map, &waits) && waits == 64);
    waits = 65;
    g_assert_false(page_map_next_wait(map, &waits));
    g_assert_true(page_map_ask(map, 139));
    g_assert_true(page_map_next_wait(map, &waits) && waits == 139);
    page_maps_have(maps, map, &(PageRange){ 139, 1 });
    g_assert_false(page_map_next_wait(map, &(uint64_t){ 65 }));
    g_assert_true(page_maps_wait(maps));
    page_maps_have(maps, map, &(PageRange){ 64, 1 });
    g_assert_true(page_map_has(map, 64));
    g_assert_false(page_maps_wait(maps));
    g_assert_true(page_map_next(map, 60, UINT64_MAX, &range));
    g_assert_cmpuint(range.count, ==, 4);
    page_maps_have(maps, map, &(PageRange){ 0, PAGES });
    g_assert_cmpuint(maps->left, ==, 1);
    page_maps_free(maps);
}

/* ---- records ---- */

static int count;

static bool count_range(void *opaque, unsigned n, const PageRange *range, GError **errp)
{
    g_assert_true(n == 1 && range->count && range->first + range->count <= PAGES);
    count++;
    return true;
}

/* Is a record of those bytes taken, as one of missing pages and as a request? */
static bool is_taken(const GPtrArray *blocks, const char *name, const void *data, size_t size,
                     bool request)
{
    Record record = { .data = data, .size = size };
    PageRange range;
    GError *err = NULL;
    unsigned n;

    strcpy(record.name, name);
    bool ok = request ? postcopy_read_request(blocks, &record, &n, &range, &err)
                      : postcopy_read_lacks(blocks, &record, count_range, NULL, &err);
    g_assert_true(ok == !err);
    g_clear_error(&err);
    return ok;
}

static void test_records(void)
{
    static const struct {
        PageRange range;
        bool ok;
    } cases[] = {
        { { 0, PAGES }, true },       { { PAGES - 1, 1 }, true },
        { { PAGES, 1 }, false },      { { 0, PAGES + 1 }, false },
        { { 1, UINT64_MAX }, false }, { { UINT64_MAX, 1 }, false },
        { { 3, 0 }, false },          { { UINT64_MAX, UINT64_MAX }, false },
    };
    g_autoptr(GPtrArray) blocks = new_blocks();

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (int request = 0; request < 2; request++) {
            const PageRange *range = &cases[i].range;
            g_assert_true(is_taken(blocks, "b", range, sizeof(*range), request) == cases[i].ok);
            g_assert_false(is_taken(blocks, "c", range, sizeof(*range), request));
            g_assert_false(is_taken(blocks, "b", range, sizeof(*range) - 1, request));
        }
    }
    count = 0;
    g_assert_true(is_taken(blocks, "b", (PageRange[]){ { 1, 2 }, { 4, 5 } }, 32, false));
    g_assert_cmpint(count, ==, 2);
    g_assert_false(is_taken(blocks, "b", (PageRange[]){ { 1, 2 }, { 4, 5 } }, 32, true));
}

/* What there is to know of postcopy, of which @size bytes come. */
static bool is_advice(const GPtrArray *blocks, const char *name, const char *block, size_t size)
{
    uint8_t id[POSTCOPY_ID_SIZE], data[POSTCOPY_ID_SIZE + 16] = { 0 };
    const uint64_t page_size = RAM_PAGE;
    Record record = { .kind = RECORD_ADVICE, .data = data, .size = size };
    GError *err = NULL;

    memcpy(data + POSTCOPY_ID_SIZE, &page_size, sizeof(page_size));
    data[POSTCOPY_ID_SIZE + sizeof(page_size)] = (uint8_t)strlen(block);
    strcpy((char *)data + POSTCOPY_ID_SIZE + sizeof(page_size) + 1, block);
    strcpy(record.name, name);
    const bool ok = postcopy_read_advice(blocks, &record, id, &err);
    g_assert_true(ok == !err);
    g_clear_error(&err);
    return ok;
}

static void test_advice(void)
{
    g_autoptr(GPtrArray) blocks = new_blocks();
    const size_t size = POSTCOPY_ID_SIZE + 10;

    g_assert_true(is_advice(blocks, "", "a", size));
    g_assert_true(is_advice(blocks, "release", "a", size));
    g_assert_true(is_advice(blocks, "", "a", POSTCOPY_ID_SIZE));
    g_assert_false(is_advice(blocks, "more", "a", size)); /* it would wait for that in vain */
    g_assert_false(is_advice(blocks, "", "c", size));
    for (size_t less = 0; less < size; less++) {
        g_assert_true(is_advice(blocks, "", "a", less) == (less == POSTCOPY_ID_SIZE));
    }
}

static void test_has(void)
{
    uint64_t pages = 0;
    Record record = { .kind = RECORD_HAS,
                      .data = (const uint8_t *)&(uint64_t){ 7 },
                      .size = sizeof(pages) };

    g_assert_true(postcopy_read_has(&record, &pages, NULL));
    g_assert_cmpuint(pages, ==, 7);
    record.size--;
    g_assert_false(postcopy_read_has(&record, &pages, NULL));
}

static void test_resume(void)
{
    uint8_t id[POSTCOPY_ID_SIZE] = { 1, 2, 3 }, other[POSTCOPY_ID_SIZE] = { 1, 2, 4 };
    Record record = { .kind = RECORD_RESUME, .data = id, .size = sizeof(id) };

    g_assert_true(postcopy_check_resume(&record, id, NULL));
    g_assert_false(postcopy_check_resume(&record, other, NULL));
    record.size--;
    g_assert_false(postcopy_check_resume(&record, id, NULL));
    record = (Record){ .kind = RECORD_END, .data = id, .size = sizeof(id) };
    g_assert_false(postcopy_check_resume(&record, id, NULL));
}

/* Who connects anew, and says nothing, is not waited for. */
static void test_silent(void)
{
    int ends[2];
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ==, 0);
    Stream *stream = stream_new(ends[0]);
    g_assert_false(stream_wait_input(stream, 1, &err));
    g_assert_nonnull(strstr(err->message, "says nothing for 1 ms"));
    g_assert_cmpint(write(ends[1], "x", 1), ==, 1);
    g_assert_true(stream_wait_input(stream, 60000, NULL));
    stream_cancel(stream);
    g_clear_error(&err);
    g_assert_false(stream_wait_input(stream, 60000, &err));
    g_assert_nonnull(strstr(err->message, "cancelled"));
    stream_free(stream);
    close(ends[1]);
}

/* ---- what is given back ---- */

static uint64_t pages_of(const RamBlock *block)
{
    return ram_block_resident(block, block->size) / RAM_PAGE;
}

static unsigned give_back(PostcopyRelease *release)
{
    unsigned steps = 0;

    while (postcopy_release_step(release)) {
        steps++;
    }
    return steps;
}

static void test_release(void)
{
    g_autoptr(GPtrArray) blocks = new_blocks();
    RamBlock *a = blocks->pdata[0], *b = blocks->pdata[1];
    PostcopyRelease *release = postcopy_release_new(blocks);

    memset(a->host, 1, a->size);
    memset(b->host, 2, b->size);
    postcopy_release_has(release, 0, &(PageRange){ 0, 10 });
    postcopy_release_has(release, 0, &(PageRange){ 10, 10 });
    postcopy_release_sent(release, 0, &(PageRange){ 100, 4 });
    postcopy_release_sent(release, 1, &(PageRange){ 50, 8 });
    g_assert_false(postcopy_release_arrived(release, 13, NULL));
    g_assert_true(postcopy_release_arrived(release, 2, NULL));
    g_assert_cmpuint(give_back(release), ==, 0); /* it may go on here yet */
    g_assert_cmpuint(pages_of(a), ==, PAGES);
    postcopy_release_runs(release);
    g_assert_cmpuint(give_back(release), ==, 2);
    g_assert_cmpuint(pages_of(a), ==, PAGES - 22);
    g_assert_cmpuint(pages_of(b), ==, PAGES);
    g_assert_false(postcopy_release_arrived(release, 1, NULL));
    g_assert_true(postcopy_release_arrived(release, 7, NULL));
    give_back(release);
    g_assert_cmpuint(pages_of(a), ==, PAGES - 24);
    g_assert_cmpuint(pages_of(b), ==, PAGES - 3);
    g_assert_cmpuint(b->host[52 * RAM_PAGE], ==, 0);
    g_assert_cmpuint(b->host[53 * RAM_PAGE], ==, 2);
    g_assert_cmpuint(a->host[103 * RAM_PAGE], ==, 0);
    g_assert_cmpuint(a->host[104 * RAM_PAGE], ==, 1);
    postcopy_release_lost(release); /* the rest stays, and all is counted anew */
    g_assert_false(postcopy_release_arrived(release, 1, NULL));
    g_assert_cmpuint(b->host[53 * RAM_PAGE], ==, 2);
    postcopy_release_sent(release, 1, &(PageRange){ 53, 1 });
    g_assert_true(postcopy_release_arrived(release, 0, NULL));
    give_back(release);
    g_assert_cmpuint(b->host[53 * RAM_PAGE], ==, 2);
    postcopy_release_all(release);
    give_back(release);
    g_assert_cmpuint(b->host[53 * RAM_PAGE], ==, 0);
    g_assert_cmpuint(b->host[54 * RAM_PAGE], ==, 2);
    postcopy_release_free(release);
}

/* Much is given back little by little. */
static void test_release_steps(void)
{
    const uint64_t pages = 5000;
    g_autoptr(GPtrArray) blocks = g_ptr_array_new_with_free_func((GDestroyNotify)ram_block_unref);
    RamBlock *block = ram_block_new("much", pages * RAM_PAGE, -1, false, true, 0, NULL);

    g_ptr_array_add(blocks, block);
    memset(block->host, 1, block->size);
    PostcopyRelease *release = postcopy_release_new(blocks);
    postcopy_release_has(release, 0, &(PageRange){ 1, pages - 1 });
    postcopy_release_runs(release);
    uint64_t left = pages;
    while (postcopy_release_step(release)) {
        g_assert_cmpuint(pages_of(block), <, left);
        g_assert_cmpuint(left - pages_of(block), <=, 2048);
        left = pages_of(block);
    }
    g_assert_cmpuint(left, ==, 1);
    g_assert_cmpuint(block->host[0], ==, 1);
    postcopy_release_free(release);
}

/* A file that others can open keeps what is in it; one without a name does not. */
static void test_release_files(void)
{
    for (int named = 0; named < 2; named++) {
        g_autofree char *path = NULL;
        const int fd = named ? g_file_open_tmp(NULL, &path, NULL) : memfd_create("test", 0);
        g_autoptr(GPtrArray) blocks =
            g_ptr_array_new_with_free_func((GDestroyNotify)ram_block_unref);

        g_assert_cmpint(ftruncate(fd, PAGES * RAM_PAGE), ==, 0);
        RamBlock *block = ram_block_new("file", PAGES * RAM_PAGE, fd, true, true, 0, NULL);
        g_ptr_array_add(blocks, block);
        PostcopyRelease *release = postcopy_release_new(blocks);
        memset(block->host, 5, block->size);
        postcopy_release_runs(release);
        postcopy_release_has(release, 0, &(PageRange){ 3, 2 });
        give_back(release);
        g_assert_cmpuint(block->host[3 * RAM_PAGE], ==, named ? 5 : 0);
        g_assert_cmpuint(block->host[5 * RAM_PAGE], ==, 5);
        postcopy_release_free(release);
        if (named) {
            unlink(path);
        }
    }
}

/* ---- large pages ---- */

static uint64_t put_at[4];
static unsigned puts_done;

static bool note_put(void *opaque, RamBlock *block, uint64_t offset, uint64_t size,
                     const uint8_t *data, GError **errp)
{
    g_assert_cmpuint(size, ==, block->page_size);
    g_assert_cmpuint(data[0], ==, 0);
    g_assert_cmpuint(data[RAM_PAGE], ==, 3);
    put_at[puts_done++] = offset;
    return true;
}

static void test_large_page(void)
{
    const uint64_t size = 8 * RAM_PAGE;
    RamBlock block = { .name = (char *)"large", .size = 4 * size, .page_size = size };
    g_autofree uint8_t *data = g_malloc(2 * size);
    LargePage page = { 0 };

    memset(data, 3, 2 * size);
    memset(data + size - RAM_PAGE, 0, RAM_PAGE); /* where the second one begins */
    g_assert_true(large_page_init(&page, size, NULL));
    g_assert_true(large_page_add(&page, &block, size, RAM_PAGE, NULL, note_put, NULL, NULL));
    g_assert_cmpuint(puts_done, ==, 0);
    g_assert_true(large_page_add(&page, &block, size + RAM_PAGE, 2 * size - RAM_PAGE, data,
                                 note_put, NULL, NULL));
    g_assert_cmpuint(puts_done, ==, 2);
    g_assert_true(put_at[0] == size && put_at[1] == 2 * size);
    /* One that does not begin, and one that does not go on. */
    g_assert_false(large_page_add(&page, &block, RAM_PAGE, RAM_PAGE, NULL, note_put, NULL, NULL));
    g_assert_true(large_page_add(&page, &block, 0, RAM_PAGE, NULL, note_put, NULL, NULL));
    g_assert_false(
        large_page_add(&page, &block, 2 * RAM_PAGE, RAM_PAGE, NULL, note_put, NULL, NULL));
    large_page_forget(&page);
    g_assert_false(large_page_add(&page, &block, RAM_PAGE, RAM_PAGE, NULL, note_put, NULL, NULL));
    g_assert_cmpuint(puts_done, ==, 2);
    large_page_clear(&page);
}

/* ---- those who wait ---- */

static gpointer read_page(gpointer opaque)
{
    return GUINT_TO_POINTER(*(const uint8_t *)opaque);
}

static void test_waits(void)
{
    uint8_t page[RAM_PAGE];
    Userfault fault;
    g_autoptr(GError) err = NULL;
    const int fd = userfault_open(&err);

    if (fd < 0) {
        g_test_skip(err->message);
        return;
    }
    RamBlock *block = new_block("late");
    memset(block->host, 1, block->size);
    g_assert_true(userfault_check(block, &err) && userfault_register(fd, block, &err));
    g_assert_false(userfault_read(fd, &fault));
    g_assert_true(userfault_discard(block, 4 * RAM_PAGE, 8 * RAM_PAGE, &err));
    GThread *thread = g_thread_new("waits", read_page, block->host + 5 * RAM_PAGE + 7);
    while (!userfault_read(fd, &fault)) {
        g_thread_yield();
    }
    g_assert_true(fault.at >= block->host + 5 * RAM_PAGE && fault.at < block->host + 6 * RAM_PAGE);
    memset(page, 9, sizeof(page));
    g_assert_true(userfault_put(fd, block, 5 * RAM_PAGE, RAM_PAGE, page, &err));
    g_assert_cmpuint(GPOINTER_TO_UINT(g_thread_join(thread)), ==, 9);
    memset(page, 8, sizeof(page)); /* the one that is there stays */
    g_assert_true(userfault_put(fd, block, 5 * RAM_PAGE, RAM_PAGE, page, &err));
    g_assert_true(userfault_put(fd, block, 4 * RAM_PAGE, 8 * RAM_PAGE, NULL, &err));
    g_assert_cmpuint(block->host[5 * RAM_PAGE], ==, 9);
    g_assert_cmpuint(block->host[4 * RAM_PAGE], ==, 0);
    g_assert_cmpuint(block->host[11 * RAM_PAGE], ==, 0);
    g_assert_cmpuint(block->host[12 * RAM_PAGE], ==, 1);
    userfault_unregister(fd, block);
    ram_block_unref(block);
    close(fd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/postcopy/maps", test_maps);
    g_test_add_func("/postcopy/records", test_records);
    g_test_add_func("/postcopy/advice", test_advice);
    g_test_add_func("/postcopy/has", test_has);
    g_test_add_func("/postcopy/resume", test_resume);
    g_test_add_func("/postcopy/release", test_release);
    g_test_add_func("/postcopy/release-steps", test_release_steps);
    g_test_add_func("/postcopy/release-files", test_release_files);
    g_test_add_func("/postcopy/large-page", test_large_page);
    g_test_add_func("/postcopy/silent", test_silent);
    g_test_add_func("/postcopy/waits", test_waits);
    return g_test_run();
}
