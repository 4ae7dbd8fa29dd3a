/** Spring's cache abstraction over hotplate: {@code @Cacheable} methods whose results all processes share. */
package hotplate.spring;
