// SHA-256 of files and bytes, by OpenSSL.
#pragma once

#include "base.h"

namespace {

class Sha {
 public:
  Sha() : context_(EVP_MD_CTX_new()) {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
#else
    static const EVP_MD* const algorithm = EVP_sha256();
#endif
    algorithm_ = algorithm;
  }
  ~Sha() { EVP_MD_CTX_free(context_); }
  Sha(const Sha&) = delete;
  Sha& operator=(const Sha&) = delete;
  void begin() { good_ = EVP_DigestInit_ex(context_, algorithm_, nullptr) == 1; }
  void add(const void* data, size_t size) { good_ = EVP_DigestUpdate(context_, data, size) == 1 && good_; }
  Digest end() {
    Digest digest;
    if (EVP_DigestFinal_ex(context_, digest.data(), nullptr) != 1 || !good_) throw std::runtime_error("SHA-256 failed");
    return digest;
  }
  Digest of(const void* data, size_t size) {
    begin();
    add(data, size);
    return end();
  }

 private:
  EVP_MD_CTX* context_;
  const EVP_MD* algorithm_;
  bool good_ = false;
};

string hex(const Digest& digest) {
  static const char digits[] = "0123456789abcdef";
  string text(64, '0');
  for (size_t i = 0; i < 32; ++i) {
    text[2 * i] = digits[digest[i] >> 4];
    text[2 * i + 1] = digits[digest[i] & 15];
  }
  return text;
}

}  // namespace
