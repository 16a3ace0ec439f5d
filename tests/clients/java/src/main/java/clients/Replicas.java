package clients;

import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.StatusOr;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.util.Collection;
import java.util.List;

/** A name that resolves to several replicas, each with a port of its own: what a headless Service is on Kubernetes. */
final class Replicas extends NameResolverProvider {
    private final List<EquivalentAddressGroup> addresses;

    Replicas(List<String> addresses) {
        this.addresses = addresses.stream().map(Replicas::group).toList();
    }

    private static EquivalentAddressGroup group(String address) {
        URI uri = URI.create("grpc://" + address);
        return new EquivalentAddressGroup(new InetSocketAddress(uri.getHost(), uri.getPort()));
    }

    String target() {
        return getDefaultScheme() + ":///";
    }

    @Override
    public NameResolver newNameResolver(URI target, NameResolver.Args args) {
        return new NameResolver() {
            @Override
            public String getServiceAuthority() {
                return "localhost";
            }

            @Override
            public void start(Listener2 listener) {
                listener.onResult(ResolutionResult.newBuilder()
                        .setAddressesOrError(StatusOr.fromValue(addresses))
                        .build());
            }

            @Override
            public void shutdown() {}
        };
    }

    @Override
    public String getDefaultScheme() {
        return "replicas";
    }

    @Override
    public Collection<Class<? extends SocketAddress>> getProducedSocketAddressTypes() {
        return List.of(InetSocketAddress.class);
    }

    @Override
    protected boolean isAvailable() {
        return true;
    }

    @Override
    protected int priority() {
        return 5;
    }
}
