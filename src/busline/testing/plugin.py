"""The pytest plugin: the fixture `testbus`."""
