// SPDX-License-Identifier: Apache-2.0
#[test] fn x(){}
