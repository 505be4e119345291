import com.twilio.http.NetworkHttpClient;
import com.twilio.http.TwilioRestClient;
import java.net.URI;
import org.apache.hc.client5.http.HttpRoute;
import org.apache.hc.client5.http.impl.classic.HttpClientBuilder;
import org.apache.hc.core5.http.HttpHost;

class Connect {
    /** Twilio's library, signed in with an API key at the server at ROOMREEL_URL. */
    static TwilioRestClient connect(String secret) {
        HttpHost server = HttpHost.create(URI.create(System.getenv("ROOMREEL_URL")));
        HttpRoute route = new HttpRoute(server, null, server.getSchemeName().equals("https"));
        HttpClientBuilder http = HttpClientBuilder.create()
                .useSystemProperties()
                .setRoutePlanner((target, context) -> route)
                // The addresses in the answers follow the name that was asked for.
                .addRequestInterceptorFirst((request, entity, context) -> request.setHeader("Host", server.toHostString()))
                .disableRedirectHandling(); // media answer with a redirect, which is for the caller to follow
        return new TwilioRestClient.Builder(System.getenv("TWILIO_API_KEY"), secret)
                .accountSid(System.getenv("TWILIO_ACCOUNT_SID"))
                .httpClient(new NetworkHttpClient(http))
                .build();
    }

    static TwilioRestClient connect() {
        return connect(System.getenv("TWILIO_API_SECRET"));
    }
}
