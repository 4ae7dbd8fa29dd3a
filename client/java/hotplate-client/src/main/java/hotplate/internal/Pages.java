package hotplate.internal;

import hotplate.v1.Entry;
import hotplate.v1.ListEntriesRequest;
import hotplate.v1.ListEntriesResponse;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;

/** A listing, a page at a time: the next one is asked for when the one before was read. */
final class Pages implements Iterator<Entry> {
    private final Calls calls;
    private ListEntriesRequest request;
    private Iterator<Entry> page = List.<Entry>of().iterator();

    Pages(Calls calls, ListEntriesRequest request) {
        this.calls = calls;
        this.request = request;
    }

    @Override
    public boolean hasNext() {
        while (!page.hasNext() && request != null) {
            ListEntriesResponse response = Async.await(calls.listEntries(request));
            page = response.getEntriesList().iterator();
            String token = response.getNextPageToken();
            request = token.isEmpty() ? null : request.toBuilder().setPageToken(token).build();
        }
        return page.hasNext();
    }

    @Override
    public Entry next() {
        if (!hasNext()) {
            throw new NoSuchElementException("the listing has ended");
        }
        return page.next();
    }
}
