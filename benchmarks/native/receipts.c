/* Prints the receipts of this build of the kernels, a line a kernel, for benchmarks/receipts.py.
 * An argument: the bytes of memory to work in, from ATOLL_RECEIPT_BYTES on. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "atoll_receipts.h"

enum { MEMORY_MAX = 4 << 20 };

static uint64_t memory[MEMORY_MAX / 8];

int main(int count, char **words)
{
    size_t size = count > 1 ? (size_t)strtoul(words[1], NULL, 10) : (size_t)ATOLL_RECEIPT_BYTES;
    uint32_t k;
    if (size > sizeof memory) {
        (void)fprintf(stderr, "at most %u bytes\n", (unsigned)sizeof memory);
        return 2;
    }
    for (k = 0; k < (uint32_t)ATOLL_RECEIPTS; k++) {
        uint64_t hash = 0;
        uint32_t status = atoll_receipt(k, memory, size, &hash);
        if (status != 0u) {
            (void)fprintf(stderr, "%s: status %" PRIu32 "\n", atoll_receipt_names[k], status);
            return 1;
        }
        printf("%s %016" PRIx64 "\n", atoll_receipt_names[k], hash);
    }
    return 0;
}
