//! The symbols that Envoy exports to the module.

use super::*;

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_log(_: u32, _: *const u8, _: usize) -> u32 {
    plain(|_| 0)
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32 {
    plain(|host| {
        unsafe { *time = host.now_ns };
        0
    })
}
#[unsafe(no_mangle)]
unsafe extern "C" fn random_get(data: *mut u8, size: usize) -> u32 {
    plain(|_| {
        unsafe { data.write_bytes(7, size) };
        0
    })
}
#[unsafe(no_mangle)]
extern "C" fn proxy_set_tick_period_milliseconds(_: u32) -> u32 {
    plain(|_| 0)
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_buffer_bytes(
    buffer: u32,
    start: usize,
    max: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    let run = |host: &mut Host| {
        let all = match buffer {
            0 => host.request_body.as_ref().ok_or(1u32)?,
            1 => host.response_body.as_ref().ok_or(1u32)?,
            4 => &host.call_body,
            // The answer is the context's that made the call, and no other's.
            5 => host.grpc_answer.as_ref().filter(|_| host.effective == host.grpc_owner).ok_or(1u32)?,
            _ => &host.configuration,
        };
        let end = all.len().min(start.saturating_add(max));
        all.get(start..end).map(<[u8]>::to_vec).ok_or(1)
    };
    unsafe { giving(data, size, run) }
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_buffer_bytes(
    buffer: u32,
    _: usize,
    _: usize,
    data: *const u8,
    size: usize,
) -> u32 {
    // The filter replaces whole buffers only.
    let value = unsafe { bytes(data, size).to_vec() };
    let status = writing(|host| {
        let body = if buffer == 0 { &mut host.request_body } else { &mut host.response_body };
        // A body that isn't there can't be replaced.
        body.as_mut().map_or(1, |body| {
            *body = value;
            0
        })
    });
    interrupt(Call::SetBody);
    status
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32 {
    let run = |host: &mut Host| {
        let pairs = host.maps.get(&map).ok_or(1u32)?;
        let word = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
        let mut out = word(pairs.len()).to_vec();
        pairs.iter().for_each(|(n, v)| out.extend([word(n.len()), word(v.len())].concat()));
        pairs.iter().for_each(|(n, v)| out.extend([n.as_bytes(), b"\0", v, b"\0"].concat()));
        Ok(out)
    };
    unsafe { giving(data, size, run) }
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_header_map_value(
    map: u32,
    key: *const u8,
    key_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    let key = unsafe { text(key, key_size) };
    let run = |host: &mut Host| {
        let value =
            |pairs: &Vec<(String, Vec<u8>)>| Some(pairs.iter().find(|(name, _)| *name == key)?.1.clone());
        host.maps.get(&map).and_then(value).ok_or(1u32)
    };
    unsafe { giving(data, size, run) }
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_replace_header_map_value(
    map: u32,
    key: *const u8,
    key_size: usize,
    value: *const u8,
    size: usize,
) -> u32 {
    let (key, value) = unsafe { (text(key, key_size), bytes(value, size).to_vec()) };
    writing(|host| {
        let pairs = host.maps.entry(map).or_default();
        pairs.retain(|(name, _)| *name != key);
        pairs.push((key, value));
        0
    })
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_add_header_map_value(
    map: u32,
    key: *const u8,
    key_size: usize,
    value: *const u8,
    size: usize,
) -> u32 {
    let (key, value) = unsafe { (text(key, key_size), bytes(value, size).to_vec()) };
    writing(|host| {
        host.maps.entry(map).or_default().push((key, value));
        0
    })
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32 {
    let key = unsafe { text(key, key_size) };
    writing(|host| {
        host.maps.entry(map).or_default().retain(|(name, _)| *name != key);
        0
    })
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_property(
    path: *const u8,
    path_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    let path = unsafe { text(path, path_size) };
    let run = |host: &mut Host| match path.as_str() {
        "plugin_root_id" => Ok(host.root_id.as_bytes().to_vec()),
        "source\0address" => Ok(b"192.0.2.1:4711".to_vec()),
        "plugin_vm_id" => Ok(b"gatewaystack".to_vec()),
        _ => Err(1),
    };
    unsafe { giving(data, size, run) }
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_property(
    path: *const u8,
    path_size: usize,
    value: *const u8,
    size: usize,
) -> u32 {
    let (path, value) = unsafe { (text(path, path_size), bytes(value, size).to_vec()) };
    plain(|host| {
        host.records += usize::from(path == "gatewaystack");
        host.properties.insert(path, value);
        0
    })
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_shared_data(
    key: *const u8,
    key_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
    cas: *mut u32,
) -> u32 {
    let key = unsafe { bytes(key, key_size) };
    let run = |host: &mut Host| {
        let (value, current) = host.shared.get(key).ok_or(1u32)?;
        unsafe { *cas = *current };
        Ok(value.clone())
    };
    unsafe { giving(data, size, run) }
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_shared_data(
    key: *const u8,
    key_size: usize,
    value: *const u8,
    size: usize,
    cas: u32,
) -> u32 {
    let (key, value) = unsafe { (bytes(key, key_size).to_vec(), bytes(value, size).to_vec()) };
    plain(|host| match host.shared.get_mut(&key) {
        Some((_, current)) if cas != 0 && *current != cas => 8,
        Some(cell) => {
            *cell = (value, cell.1 + 1);
            0
        }
        None => {
            host.shared.insert(key, (value, 1));
            0
        }
    })
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_register_shared_queue(name: *const u8, size: usize, id: *mut u32) -> u32 {
    let name = unsafe { text(name, size) };
    plain(|host| {
        let next = u32::try_from(host.queues.len()).unwrap() + 1;
        unsafe { *id = *host.queues.entry(name).or_insert(next) };
        0
    })
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_resolve_shared_queue(
    _: *const u8,
    _: usize,
    name: *const u8,
    size: usize,
    id: *mut u32,
) -> u32 {
    let name = unsafe { text(name, size) };
    plain(|host| match host.queues.get(&name) {
        Some(queue) => {
            unsafe { *id = *queue };
            0
        }
        None => 1,
    })
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_dequeue_shared_queue(id: u32, data: *mut *mut u8, size: *mut usize) -> u32 {
    unsafe { giving(data, size, |host| host.messages.entry(id).or_default().pop_front().ok_or(7)) }
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_enqueue_shared_queue(id: u32, value: *const u8, size: usize) -> u32 {
    let value = unsafe { bytes(value, size).to_vec() };
    plain(|host| {
        host.messages.entry(id).or_default().push_back(value);
        0
    })
}
#[unsafe(no_mangle)]
extern "C" fn proxy_continue_stream(_: u32) -> u32 {
    let status = plain(|host| {
        host.continued = true;
        0
    });
    interrupt(Call::Continue);
    status
}
#[unsafe(no_mangle)]
extern "C" fn proxy_close_stream(kind: u32) -> u32 {
    let status = plain(|host| {
        // The client's connection, or the stream.
        if kind == 2 {
            host.closed += 1;
        } else {
            host.reset = true;
        }
        0
    });
    interrupt(Call::Close);
    status
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_send_local_response(
    status: u32,
    _: *const u8,
    _: usize,
    _: *const u8,
    _: usize,
    _: *const u8,
    _: usize,
    _: i32,
) -> u32 {
    let status = plain(|host| {
        host.answered = Some(status);
        0
    });
    interrupt(Call::Answer);
    status
}
#[unsafe(no_mangle)]
extern "C" fn proxy_set_effective_context(context: u32) -> u32 {
    plain(|host| {
        host.effective = context;
        0
    })
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_call_foreign_function(
    name: *const u8,
    name_size: usize,
    _: *const u8,
    _: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    let name = unsafe { text(name, name_size) };
    let is_clear = name == "clear_route_cache";
    let status = unsafe { giving(data, size, |_| if is_clear { Ok(Vec::new()) } else { Err(1) }) };
    if is_clear {
        interrupt(Call::ClearRoute);
    }
    status
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_define_metric(_: u32, name: *const u8, size: usize, id: *mut u32) -> u32 {
    let name = unsafe { text(name, size) };
    // Hundreds of like calls: they are not counted, so that faults fall on the others.
    host(|host| {
        host.metrics.push((name, 0));
        unsafe { *id = u32::try_from(host.metrics.len()).unwrap() };
    });
    0
}
#[unsafe(no_mangle)]
extern "C" fn proxy_record_metric(_: u32, _: u64) -> u32 {
    plain(|_| 0)
}
#[unsafe(no_mangle)]
extern "C" fn proxy_increment_metric(id: u32, offset: i64) -> u32 {
    plain(|host| {
        if let Some((_, value)) = host.metrics.get_mut(id.wrapping_sub(1) as usize) {
            *value += offset;
        }
        if offset == 0 { 2 } else { 0 }
    })
}
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_http_call(
    upstream: *const u8,
    upstream_size: usize,
    _: *const u8,
    _: usize,
    _: *const u8,
    _: usize,
    _: *const u8,
    _: usize,
    _: u32,
    token: *mut u32,
) -> u32 {
    let upstream = unsafe { text(upstream, upstream_size) };
    plain(|host| {
        host.sent.push(upstream);
        unsafe { *token = u32::try_from(host.sent.len()).unwrap() };
        0
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_grpc_call(
    _: *const u8,
    _: usize,
    service: *const u8,
    service_size: usize,
    _: *const u8,
    _: usize,
    _: *const u8,
    _: usize,
    _: *const u8,
    _: usize,
    _: u32,
    token: *mut u32,
) -> u32 {
    let service = unsafe { text(service, service_size) };
    plain(|host| {
        host.asked.push(service);
        host.grpc_at.get_or_insert(host.calls - 1);
        host.grpc_owner = host.effective;
        unsafe { *token = u32::try_from(host.asked.len()).unwrap() };
        0
    })
}
