#include "devices/net/host_routes.hpp"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>
#include <vector>

namespace rvvmm::host_routes_test {
namespace {

/// An answer of the kernel, piece by piece.
class Answer {
 public:
  explicit Answer(uint16_t type) {
    put(nlmsghdr{.nlmsg_len = 0, .nlmsg_type = type, .nlmsg_flags = 0, .nlmsg_seq = 0, .nlmsg_pid = 0});
  }
  Answer& route(uint8_t type) {
    rtmsg route{};
    route.rtm_family = AF_INET6;
    route.rtm_type = type;
    return put(route);
  }
  template <typename T>
  Answer& attribute(uint16_t type, const T& value) {
    put(rtattr{.rta_len = static_cast<uint16_t>(RTA_LENGTH(sizeof value)), .rta_type = type});
    put(value);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    return *this;
  }
  template <typename T>
  Answer& put(const T& value) {
    const auto bytes = std::as_bytes(std::span{&value, 1});
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  std::vector<std::byte> bytes() {
    const auto length = static_cast<uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &length, sizeof length);
    return bytes_;
  }

 private:
  std::vector<std::byte> bytes_;
};

TEST(HostRoutes, AnAnswerNamesTheInterface) {
  const auto bytes = Answer{RTM_NEWROUTE}
                         .route(RTN_UNICAST)
                         .attribute(RTA_TABLE, 51'820U)
                         .attribute(RTA_PREF, uint8_t{0})
                         .attribute(RTA_OIF, 7U)
                         .bytes();
  EXPECT_EQ(interface_of_answer(bytes), 7U);
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(interface_of_answer(std::span{bytes}.first(size))) << size;
}

TEST(HostRoutes, ARefusalIsNoRoute) {
  EXPECT_EQ(interface_of_answer(Answer{NLMSG_ERROR}.bytes()), 0U);
  for (const uint8_t type : {RTN_UNREACHABLE, RTN_BLACKHOLE, RTN_LOCAL})
    EXPECT_EQ(interface_of_answer(Answer{RTM_NEWROUTE}.route(type).attribute(RTA_OIF, 1U).bytes()), 0U);
  EXPECT_EQ(interface_of_answer(Answer{RTM_NEWROUTE}.route(RTN_UNICAST).bytes()), 0U);
}

TEST(HostRoutes, WhatIsNoAnswerSaysNothing) {
  EXPECT_FALSE(interface_of_answer({}));
  EXPECT_FALSE(interface_of_answer(Answer{RTM_NEWROUTE}.bytes()));
  EXPECT_FALSE(interface_of_answer(Answer{RTM_NEWLINK}.route(RTN_UNICAST).bytes()));
}

TEST(HostRoutes, AttributesThatDoNotFitEndTheSearch) {
  const auto with = [](const rtattr& attribute) {
    return interface_of_answer(Answer{RTM_NEWROUTE}.route(RTN_UNICAST).put(attribute).attribute(RTA_OIF, 7U).bytes());
  };
  EXPECT_EQ(with({.rta_len = 4, .rta_type = RTA_TABLE}), 7U);
  EXPECT_EQ(with({.rta_len = 200, .rta_type = RTA_OIF}), 0U);
  EXPECT_EQ(with({.rta_len = 3, .rta_type = RTA_TABLE}), 0U);
  EXPECT_EQ(with({.rta_len = 0, .rta_type = RTA_TABLE}), 0U);
}

// Which routes this host has nobody knows, but that they are of interfaces.
TEST(HostRoutes, ThisHostAnswers) {
  const auto routes = find_host_routes();
  if (!routes) GTEST_SKIP() << "no rtnetlink here";
  for (const std::string& name : {routes->ipv4, routes->ipv6})
    EXPECT_TRUE(name.empty() || ::if_nametoindex(name.c_str()) != 0) << name;
}

}  // namespace
}  // namespace rvvmm::host_routes_test
