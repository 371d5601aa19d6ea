/* The functions that GCC calls of its own accord, even of freestanding programs. */
typedef __SIZE_TYPE__ size_t;

void* memset(void* to, int byte, size_t count);
void* memcpy(void* to, const void* from, size_t count);

void* memset(void* to, int byte, size_t count) {
  unsigned char* out = to;
  for (size_t i = 0; i < count; ++i) out[i] = (unsigned char)byte;
  return to;
}

void* memcpy(void* to, const void* from, size_t count) {
  unsigned char* out = to;
  const unsigned char* in = from;
  for (size_t i = 0; i < count; ++i) out[i] = in[i];
  return to;
}
