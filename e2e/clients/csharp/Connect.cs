using System;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;
using Twilio.Clients;
using Twilio.Http;

// Sends every request to the server at ROOMREEL_URL, whatever host of Twilio's it was meant for.
class ToServer : DelegatingHandler
{
    static readonly Uri Base = new Uri(Environment.GetEnvironmentVariable("ROOMREEL_URL"));

    // Media answer with a redirect, which is for the caller to follow.
    public ToServer() : base(new HttpClientHandler { AllowAutoRedirect = false }) { }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancel)
    {
        request.RequestUri = new UriBuilder(request.RequestUri) { Scheme = Base.Scheme, Host = Base.Host, Port = Base.Port }.Uri;
        return base.SendAsync(request, cancel);
    }
}

static class Connect
{
    // Twilio's library, signed in with an API key.
    public static TwilioRestClient Client(string secret = null)
    {
        return new TwilioRestClient(
            Environment.GetEnvironmentVariable("TWILIO_API_KEY"),
            secret ?? Environment.GetEnvironmentVariable("TWILIO_API_SECRET"),
            accountSid: Environment.GetEnvironmentVariable("TWILIO_ACCOUNT_SID"),
            httpClient: new SystemNetHttpClient(new System.Net.Http.HttpClient(new ToServer())));
    }
}
