/** For tests: a real server that is started for them, and a cache in memory with the same interface. */
package hotplate.junit;
