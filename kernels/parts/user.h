/* Kernels that a user adds to the catalogue (docs/user-kernels.md): how the interpreter calls them.
 *
 * Each has an identity, 32 bits of a hash of its source, which stands in the plans that name it. In
 * the Linux extension they come in when a plan names them; in the amalgamation a table of those that
 * were linked stands in its place. */
#ifndef ATOLL_USER_H
#define ATOLL_USER_H

enum { ATOLL_USER_SAMPLES = 1, ATOLL_USER_WINDOW = 2, ATOLL_USER_MAX = 64 };

typedef struct atoll_user_kernel {
    uint32_t identity;
    uint32_t kind;
    uint32_t numbers; /* arguments */
    void (*samples)(float *x, size_t n, const float *numbers);
    float (*window)(const float *x, size_t n, const float *numbers);
} atoll_user_kernel;

#if !defined(ATOLL_AMALGAMATION)
static const atoll_user_kernel *atoll_users[ATOLL_USER_MAX];
static uint32_t atoll_users_known;

static inline const atoll_user_kernel *atoll_user_find(uint32_t identity) {
    uint32_t k;
    for (k = 0; k < atoll_users_known; k++) {
        if (atoll_users[k]->identity == identity) {
            return atoll_users[k];
        }
    }
    return NULL;
}

/* Whether there was room; a kernel that is known already takes none. */
static inline int atoll_user_add(const void *given) {
    const atoll_user_kernel *kernel = (const atoll_user_kernel *)given;
    if (atoll_user_find(kernel->identity) == NULL) {
        if (atoll_users_known == (uint32_t)ATOLL_USER_MAX) {
            return 0;
        }
        atoll_users[atoll_users_known++] = kernel;
    }
    return 1;
}
#elif defined(ATOLL_USERS)
static inline const atoll_user_kernel *atoll_user_find(uint32_t identity);
#else
static inline const atoll_user_kernel *atoll_user_find(uint32_t identity) {
    (void)identity;
    return NULL;
}
#endif

static inline int atoll_user_fits(uint32_t identity, uint32_t kind, uint32_t numbers) {
    const atoll_user_kernel *kernel = atoll_user_find(identity);
    return kernel != NULL && kernel->kind == kind && kernel->numbers == numbers;
}

static inline void atoll_user_samples(const uint32_t *args, float *x, size_t n) {
    atoll_user_find(args[0])->samples(x, n, (const float *)(const void *)(args + 1));
}

static inline float atoll_user_window(const uint32_t *args, const float *x, size_t n) {
    return atoll_user_find(args[0])->window(x, n, (const float *)(const void *)(args + 1));
}

#endif
