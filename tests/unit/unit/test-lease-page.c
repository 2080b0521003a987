/* The lease page as its owner and as a guard sees it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "unit/lease-page.h"

static void slots_are_given_out_once_and_start_at_zero(void **state)
{
        LeasePage *page = NULL;
        int a, b;

        assert_int_equal(lease_page_new(&page, 0), -EINVAL);
        assert_int_equal(lease_page_new(&page, 2), 0);
        a = lease_page_alloc_slot(page);
        b = lease_page_alloc_slot(page);
        assert_true(a >= 0 && b >= 0 && a != b);
        assert_int_equal(lease_page_alloc_slot(page), -ENOSPC);
        lease_page_set(page, (unsigned)a, 77);
        lease_page_free_slot(page, (unsigned)a);
        assert_int_equal(lease_page_alloc_slot(page), a);
        assert_int_equal(lease_page_get(page, (unsigned)a), 0);
        lease_page_free(page);
        assert_null(lease_page_free(NULL));
}

static void a_reader_of_the_memfd_sees_what_was_set(void **state)
{
        enum { SLOTS = 1000 }; /* more than one page */
        LeasePage *page = NULL;
        const uint64_t *seen;

        assert_int_equal(lease_page_new(&page, SLOTS), 0);
        seen = mmap(NULL, SLOTS * sizeof(*seen), PROT_READ, MAP_SHARED, lease_page_fd(page), 0);
        assert_ptr_not_equal(seen, MAP_FAILED);
        for (unsigned i = 0; i < SLOTS; i++) {
                assert_int_equal(lease_page_alloc_slot(page), i);
                lease_page_set(page, i, i + 1);
        }
        for (unsigned i = 0; i < SLOTS; i++)
                assert_int_equal(seen[i], i + 1);
        munmap((void *)seen, SLOTS * sizeof(*seen));
        lease_page_free(page);
}

static void a_lasting_page_is_written_by_who_takes_it_over(void **state)
{
        LeasePage *page = NULL, *heir = NULL, *sealed = NULL;
        const uint64_t *seen; /* of a guard */
        int slot;

        assert_int_equal(lease_page_new_lasting(&page, 10), 0);
        slot = lease_page_alloc_slot(page);
        lease_page_set(page, (unsigned)slot, 77);
        seen = mmap(NULL, 10 * sizeof(*seen), PROT_READ, MAP_SHARED, lease_page_fd(page), 0);
        assert_ptr_not_equal(seen, MAP_FAILED);
        assert_int_equal(lease_page_adopt(&heir, dup(lease_page_fd(page)), 10), 0);
        lease_page_free(page);
        assert_int_equal(lease_page_take_slot(heir, (unsigned)slot), 0);
        assert_int_equal(lease_page_take_slot(heir, (unsigned)slot), -EBUSY);
        assert_int_equal(lease_page_take_slot(heir, 10), -EBUSY);
        assert_int_equal(lease_page_get(heir, (unsigned)slot), 77);
        assert_int_not_equal(lease_page_alloc_slot(heir), slot);
        lease_page_set(heir, (unsigned)slot, 78);
        assert_int_equal(seen[slot], 78);
        assert_int_equal(lease_page_adopt(&page, dup(lease_page_fd(heir)), 100000), -EINVAL);
        munmap((void *)seen, 10 * sizeof(*seen));
        lease_page_free(heir);
        assert_int_equal(lease_page_new(&sealed, 10), 0); /* the ordinary one is sealed against that */
        assert_int_equal(lease_page_adopt(&heir, dup(lease_page_fd(sealed)), 10), -EPERM);
        lease_page_free(sealed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(slots_are_given_out_once_and_start_at_zero),
                cmocka_unit_test(a_reader_of_the_memfd_sees_what_was_set),
                cmocka_unit_test(a_lasting_page_is_written_by_who_takes_it_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
