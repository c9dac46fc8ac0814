//! An Azure DevOps stand-in on loopback, for the tests and the demo.
