//! A rate limit service: Envoy's protocol over the crate `limitador`, counting in a real Redis. It reads the
//! limits file that Limitador reads, and stands for what can't be had here: Limitador's server, and
//! `envoyproxy/ratelimit`, which tells of each limit what is left.
//!
//! The counting itself is ours: the crate's own storages for Redis need RocksDB, and may let more through
//! than a limit says.

use envoy_types::pb::envoy::config::core::v3::HeaderValue;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::{
    Code, DescriptorStatus, RateLimit,
};
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_server::{
    RateLimitService, RateLimitServiceServer,
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use envoy_types::pb::google::protobuf::Duration as WireDuration;
use limitador::counter::Counter;
use limitador::limit::{Context, Limit, Namespace};
use limitador::reservation::ReservationId;
use limitador::storage::{AsyncCounterStorage, AsyncStorage, Authorization, StorageErr};
use limitador::{AsyncRateLimiter, AsyncRateLimiterBuilder, CheckResult};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};

/// How it tells what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As Limitador: in headers to be shown to the client.
    Limitador,
    /// As envoyproxy/ratelimit: of each descriptor.
    Envoyproxy,
}

/// The service.
pub struct LimitService {
    limiter: AsyncRateLimiter,
    manner: Manner,
}

impl LimitService {
    /// A service with these limits, counted in this Redis.
    pub fn new(limits: Vec<Limit>, redis: &str, manner: Manner) -> Self {
        let storage =
            AsyncStorage::with_counter_storage(Box::new(Store(redis::Client::open(redis).unwrap())));
        let limiter = AsyncRateLimiterBuilder::new(storage).build();
        for limit in limits {
            limiter.add_limit(limit);
        }
        Self { limiter, manner }
    }

    /// Answers on this socket, for ever.
    pub async fn serve(self, listener: TcpListener) {
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let service = RateLimitServiceServer::new(self);
        tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
    }
}

#[tonic::async_trait]
impl RateLimitService for LimitService {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let asked = request.into_inner();
        let descriptors: Vec<HashMap<String, String>> = asked
            .descriptors
            .iter()
            .map(|d| d.entries.iter().map(|e| (e.key.clone(), e.value.clone())).collect())
            .collect();
        let mut context = Context::default();
        context.list_binding("descriptors".to_owned(), descriptors.clone());
        let namespace = Namespace::from(asked.domain);
        let hits = u64::from(asked.hits_addend.max(1));
        let mut found = self
            .limiter
            .check_rate_limited_and_update(&namespace, &context, hits)
            .await
            .map_err(|e| Status::unavailable(format!("{e:?}")))?;
        let code = |over| if over { Code::OverLimit } else { Code::Ok };
        let mut answer =
            RateLimitResponse { overall_code: code(found.limited).into(), ..RateLimitResponse::default() };
        match self.manner {
            Manner::Envoyproxy => {
                answer.statuses = descriptors.iter().map(|d| status(d, &found)).collect();
            }
            Manner::Limitador => {
                let headers = found.response_header().into_iter();
                answer.response_headers_to_add = headers
                    .map(|(key, value)| HeaderValue { key, value, ..HeaderValue::default() })
                    .collect();
            }
        }
        Ok(Response::new(answer))
    }
}

/// What is left of a descriptor's limit; one that has no limit says nothing of one.
fn status(descriptor: &HashMap<String, String>, found: &CheckResult) -> DescriptorStatus {
    // As there: a descriptor of several entries isn't one of its limits.
    let name = descriptor.keys().next().filter(|_| descriptor.len() == 1).map(String::as_str);
    let Some(counter) = found.counters.iter().find(|c| name.is_some() && c.limit().name() == name) else {
        return DescriptorStatus { code: Code::Ok.into(), ..DescriptorStatus::default() };
    };
    let left = counter.remaining().unwrap();
    let until = counter.expires_in().unwrap_or(counter.window());
    DescriptorStatus {
        code: if found.limited && left == 0 { Code::OverLimit } else { Code::Ok }.into(),
        current_limit: Some(RateLimit {
            requests_per_unit: counter.max_value().try_into().unwrap(),
            ..RateLimit::default()
        }),
        limit_remaining: left.try_into().unwrap(),
        duration_until_reset: Some(WireDuration { seconds: until.as_secs().try_into().unwrap(), nanos: 0 }),
        ..DescriptorStatus::default()
    }
}

/// Counters in Redis: looked at and raised in one step.
struct Store(redis::Client);

/// All or nothing: each key's count, or -1 where it would go over, and the milliseconds until it starts
/// again.
const COUNT: &str = "
local told, over = {}, false
for i, key in ipairs(KEYS) do
  local count = tonumber(redis.call('GET', key) or '0') + tonumber(ARGV[1])
  local ttl = redis.call('PTTL', key)
  if ttl < 0 then ttl = tonumber(ARGV[2 * i + 1]) end
  if count > tonumber(ARGV[2 * i]) then count = -1; over = true end
  told[2 * i - 1], told[2 * i] = count, ttl
end
if not over then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, told[2 * i - 1], 'PX', told[2 * i])
  end
end
return told";

fn key(counter: &Counter) -> String {
    format!("{}/{:?}/{:?}", counter.namespace().as_ref(), counter.limit().name(), counter.set_variables())
}

impl Store {
    async fn count(&self, counters: &[Counter], hits: u64) -> redis::RedisResult<Vec<i64>> {
        // A connection each time, so that a Redis that comes back is found.
        let mut connection = self.0.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd("EVAL");
        command.arg(COUNT).arg(counters.len());
        counters.iter().for_each(|counter| {
            command.arg(key(counter));
        });
        command.arg(hits);
        counters.iter().for_each(|counter| {
            let window = u64::try_from(counter.window().as_millis()).unwrap();
            command.arg(counter.max_value()).arg(window);
        });
        command.query_async(&mut connection).await
    }

    /// The crate lets nobody else make an error; this is what it says of something else that this store can't
    /// do.
    async fn failed(&self) -> StorageErr {
        self.release_reservation(&[], &ReservationId::new()).await.unwrap_err()
    }
}

#[tonic::async_trait]
impl AsyncCounterStorage for Store {
    async fn is_within_limits(&self, _: &Counter, _: u64) -> Result<bool, StorageErr> {
        unimplemented!("nobody asks without counting")
    }
    async fn update_counter(&self, _: &Counter, _: u64) -> Result<(), StorageErr> {
        unimplemented!("nobody counts without asking")
    }
    async fn check<'a>(&self, _: &mut Vec<Counter>, _: u64) -> Result<Authorization, StorageErr> {
        unimplemented!("nobody asks without counting")
    }
    async fn check_and_update<'a>(
        &self,
        counters: &mut Vec<Counter>,
        hits: u64,
    ) -> Result<Authorization, StorageErr> {
        let Ok(told) = self.count(counters, hits).await else { return Err(self.failed().await) };
        let mut over = None;
        for (counter, told) in counters.iter_mut().zip(told.chunks(2)) {
            counter.set_expires_in(Duration::from_millis(told[1].max(0).unsigned_abs()));
            match u64::try_from(told[0]) {
                // What was left before: the crate takes the hits away.
                Ok(count) => counter.set_remaining(counter.max_value() - count + hits),
                Err(_) => {
                    counter.set_remaining(0);
                    over = Some(counter.limit().name().map(str::to_owned));
                }
            }
        }
        Ok(over.map_or(Authorization::Ok, Authorization::Limited))
    }
    async fn get_counters(&self, _: &HashSet<Arc<Limit>>) -> Result<HashSet<Counter>, StorageErr> {
        unimplemented!("nobody lists")
    }
    async fn delete_counters(&self, _: &HashSet<Arc<Limit>>) -> Result<(), StorageErr> {
        unimplemented!("nobody forgets")
    }
    async fn clear(&self) -> Result<(), StorageErr> {
        unimplemented!("nobody forgets")
    }
}
