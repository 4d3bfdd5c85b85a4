#include "numbers.h"

#include "bytes.h"

enum { SIZE = 24, KIND = 1 };

static int write(atoll_numbers *numbers)
{
    uint8_t bytes[SIZE];
    atoll_bytes_put_le32(bytes, numbers->boot);
    atoll_bytes_put_le32(bytes + 4, numbers->term);
    atoll_bytes_put_le64(bytes + 8, numbers->epoch);
    atoll_bytes_put_le32(bytes + 16, numbers->lease);
    atoll_bytes_put_le32(bytes + 20, numbers->run);
    return atoll_flashlog_replace(numbers->log, KIND, bytes, SIZE, NULL);
}

int atoll_numbers_start(atoll_numbers *numbers, atoll_flashlog *log, uint32_t floor)
{
    uint8_t bytes[SIZE];
    atoll_flashlog_cursor cursor;
    atoll_flashlog_record record;
    *numbers = (atoll_numbers){.log = log};
    atoll_flashlog_rewind(log, &cursor);
    while (atoll_flashlog_next(log, &cursor, &record, bytes, SIZE) == 1) {
        if (record.size == SIZE && record.kind == KIND) {
            numbers->boot = atoll_bytes_le32(bytes);
            numbers->term = atoll_bytes_le32(bytes + 4);
            numbers->epoch = atoll_bytes_le64(bytes + 8);
            numbers->lease = atoll_bytes_le32(bytes + 16);
            numbers->run = atoll_bytes_le32(bytes + 20);
        }
    }
    numbers->boot = numbers->boot > floor ? numbers->boot : floor;
    numbers->run = numbers->run > floor ? numbers->run : floor;
    numbers->boot++;
    return write(numbers);
}

int atoll_numbers_raise(atoll_numbers *numbers, uint32_t term, uint64_t epoch, uint32_t lease)
{
    atoll_numbers before = *numbers;
    int result;
    numbers->term = term > before.term ? term : before.term;
    numbers->epoch = epoch > before.epoch ? epoch : before.epoch;
    numbers->lease = lease > before.lease ? lease : before.lease;
    if (numbers->term == before.term && numbers->epoch == before.epoch &&
        numbers->lease == before.lease) {
        return ATOLL_FLASHLOG_OK;
    }
    result = write(numbers);
    if (result != ATOLL_FLASHLOG_OK) {
        *numbers = before;
    }
    return result;
}

uint32_t atoll_numbers_next_run(atoll_numbers *numbers)
{
    numbers->run++;
    if (write(numbers) != ATOLL_FLASHLOG_OK) {
        numbers->run--;
        return 0;
    }
    return numbers->run;
}
