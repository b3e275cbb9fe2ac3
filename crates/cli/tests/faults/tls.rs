//! TLS whose name, issuer or date is wrong: refused with a reason, and no byte of a request leaves.

use std::net::SocketAddr;
use std::sync::Arc;

use fitferry_sandbox::{Options, Service};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;

use crate::home::{Home, add_run};
use crate::stage::{everything_is_there_once, hurried, merciless, settled, well_behaved};

#[test]
fn only_the_right_name_of_a_known_issuer_in_its_time_is_spoken_to() {
    let doors = Doors::open();
    let (ours, other) = (Issuer::new(), Issuer::new());
    let mut world = merciless();
    add_run(&mut world, "One", 1.0);
    let mut home = Home::signed_in(world, Options::default());
    hurried(&mut home);
    let roots = home.path().join("roots.pem");
    std::fs::write(&roots, ours.0.pem()).expect("the folder is writable");
    home.set("SSL_CERT_FILE", &roots.display().to_string());

    let bad: [(&str, ServerConfig); 3] = [
        ("wrong name", ours.certificate("garmin.invalid", true)),
        ("unknown issuer", other.certificate("localhost", true)),
        ("expired", ours.certificate("localhost", false)),
    ];
    let services =
        [(Service::GarminPersonal, "GARMIN_PERSONAL", ""), (Service::Strava, "STRAVA_API", "/api/v3")];
    let mut cases = 0;
    for (why, config) in bad {
        for (service, endpoint, path) in services {
            let mark = home.mark();
            let plain = address(&home, service);
            let door = front(&doors, config.clone(), plain);
            let before = format!("http://{plain}{path}");
            let variable = format!("FITFERRY_ENDPOINTS__{endpoint}");
            home.set(&variable, &format!("https://localhost:{}{path}", door.port()));
            let ran = home.run(&["sync", "--json"]);
            home.set(&variable, &before);
            let document = well_behaved(&ran, &[4]);
            let message = document["error"]["message"].as_str().unwrap_or_default();
            assert!(message.contains("certificate"), "{why}: {message}");
            let seen: Vec<_> =
                home.sandbox.log()[mark..].iter().filter(|seen| seen.service == service).cloned().collect();
            assert!(seen.is_empty(), "{why}: {seen:?}");
            cases += 1;
        }
    }
    assert_eq!(home.world().uploads_received(), 0);

    let good = ours.certificate("localhost", true);
    for (service, endpoint, path) in services {
        let door = front(&doors, good.clone(), address(&home, service));
        home.set(
            &format!("FITFERRY_ENDPOINTS__{endpoint}"),
            &format!("https://localhost:{}{path}", door.port()),
        );
    }
    assert_eq!(settled(&home), 0);
    everything_is_there_once(&home, "over TLS");
    println!("TLS: {} cases; refused by name, issuer and date, and carried over the right one", cases + 1);
}

fn address(home: &Home, service: Service) -> SocketAddr {
    let url = home.sandbox.url(service);
    url.trim_start_matches("http://").parse().expect("the sandbox listens on an address")
}

struct Issuer(CertifiedIssuer<'static, KeyPair>);

impl Issuer {
    fn new() -> Issuer {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("ring makes keys");
        Issuer(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    fn certificate(&self, name: &str, in_time: bool) -> ServerConfig {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        if !in_time {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().expect("ring makes keys");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("key and certificate belong together")
    }
}

/// A thread that doors are served from.
struct Doors {
    handle: Handle,
    _until: tokio::sync::oneshot::Sender<()>,
}

impl Doors {
    fn open() -> Doors {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (until, closed) = tokio::sync::oneshot::channel();
        let handle = runtime.handle().clone();
        std::thread::spawn(move || runtime.block_on(async { drop(closed.await) }));
        Doors { handle, _until: until }
    }
}

/// A door with TLS in front of a plain one; its address.
fn front(doors: &Doors, config: ServerConfig, plain: SocketAddr) -> SocketAddr {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("it is bound");
    doors.handle.spawn(async move {
        let listener = TcpListener::from_std(listener).expect("it was made a moment ago");
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that refuses the certificate leaves here.
                let Ok(mut secret) = acceptor.accept(stream).await else { return };
                if let Ok(mut plain) = TcpStream::connect(plain).await {
                    let _ = tokio::io::copy_bidirectional(&mut secret, &mut plain).await;
                }
            });
        }
    });
    address
}
