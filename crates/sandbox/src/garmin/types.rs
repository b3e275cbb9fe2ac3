//! Garmin's activity types: number, key, parent (dossier garmin.md §6.5, state of January 2026).

use serde_json::{Value, json};

/// Types that exist for old activities and can no longer be chosen.
const RESTRICTED: &[u16] = &[41, 60, 133, 169, 172];

/// Types whose recordings cannot be trimmed.
const NOT_TRIMMABLE: &[u16] = &[
    13, 27, 88, 139, 144, 145, 146, 147, 148, 155, 157, 158, 159, 160, 161, 163, 164, 169, 172, 173, 174,
    180, 182, 202, 203, 204, 240, 241, 243, 244, 245, 253, 254, 255, 259,
];

/// Keys that old accounts still hold though the table has lost them.
const OLD: &[(u16, &str, u16)] = &[(12, "uncategorized", 17), (83, "transition", 4)];

/// The description of a type, as list items carry it. A key outside the table becomes a type of its own.
pub(super) fn describe(key: &str) -> Value {
    let (id, parent) = numbers(key);
    describe_row(id, key, parent)
}

/// The number of a type and of its parent, as list items carry them.
pub fn numbers(key: &str) -> (u16, u16) {
    let row = TYPES.iter().chain(OLD).find(|(_, known, _)| *known == key);
    row.map_or((9_000, 17), |(id, _, parent)| (*id, *parent))
}

/// The key of a type's parent; `None` at the top and for keys outside the table.
pub fn parent_key(key: &str) -> Option<&'static str> {
    let (_, _, parent) = TYPES.iter().chain(OLD).find(|(_, known, _)| *known == key)?;
    TYPES.iter().find(|(id, _, _)| id == parent).map(|(_, key, _)| *key)
}

/// The whole table, as `activityTypes` answers it.
pub(crate) fn table() -> Value {
    TYPES.iter().map(|(id, key, parent)| describe_row(*id, key, *parent)).collect()
}

fn describe_row(id: u16, key: &str, parent: u16) -> Value {
    json!({
        "typeId": id,
        "typeKey": key,
        "parentTypeId": if id == 17 { Value::Null } else { json!(parent) },
        "isHidden": false,
        "restricted": RESTRICTED.contains(&id),
        "trimmable": !NOT_TRIMMABLE.contains(&id),
    })
}

const TYPES: &[(u16, &str, u16)] = &[
    (1, "running", 17),
    (2, "cycling", 17),
    (3, "hiking", 17),
    (4, "other", 17),
    (5, "mountain_biking", 2),
    (6, "trail_running", 1),
    (7, "street_running", 1),
    (8, "track_running", 1),
    (9, "walking", 17),
    (10, "road_biking", 2),
    (11, "indoor_cardio", 29),
    (13, "strength_training", 29),
    (15, "casual_walking", 9),
    (16, "speed_walking", 9),
    (17, "all", 0),
    (18, "treadmill_running", 1),
    (19, "cyclocross", 2),
    (20, "downhill_biking", 2),
    (21, "track_cycling", 2),
    (22, "recumbent_cycling", 2),
    (25, "indoor_cycling", 2),
    (26, "swimming", 17),
    (27, "lap_swimming", 26),
    (28, "open_water_swimming", 26),
    (29, "fitness_equipment", 17),
    (30, "elliptical", 29),
    (31, "stair_climbing", 29),
    (32, "indoor_rowing", 29),
    (37, "mountaineering", 4),
    (41, "wind_kite_surfing", 4),
    (44, "horseback_riding", 4),
    (49, "driving_general", 4),
    (52, "flying", 4),
    (60, "whitewater_rafting_kayaking", 4),
    (63, "inline_skating", 4),
    (88, "golf", 4),
    (89, "multi_sport", 17),
    (108, "steps", 17),
    (131, "bmx", 2),
    (133, "hunting_fishing", 4),
    (134, "sky_diving", 4),
    (136, "rc_drone", 4),
    (139, "rock_climbing", 4),
    (140, "hang_gliding", 4),
    (141, "wingsuit_flying", 4),
    (143, "gravel_cycling", 2),
    (144, "diving", 17),
    (145, "single_gas_diving", 144),
    (146, "multi_gas_diving", 144),
    (147, "gauge_diving", 144),
    (148, "apnea_diving", 144),
    (150, "floor_climbing", 4),
    (151, "stop_watch", 4),
    (152, "virtual_ride", 2),
    (153, "virtual_run", 1),
    (154, "obstacle_run", 1),
    (155, "apnea_hunting", 144),
    (156, "indoor_running", 1),
    (157, "safety", 17),
    (158, "assistance", 157),
    (159, "incident_detected", 157),
    (160, "pilates", 29),
    (161, "ccr_diving", 144),
    (162, "auto_racing", 4),
    (163, "yoga", 29),
    (164, "breathwork", 4),
    (165, "winter_sports", 17),
    (166, "snowmobiling_ws", 165),
    (167, "snow_shoe_ws", 165),
    (168, "skating_ws", 165),
    (169, "backcountry_skiing_snowboarding_ws", 165),
    (170, "skate_skiing_ws", 165),
    (171, "cross_country_skiing_ws", 165),
    (172, "resort_skiing_snowboarding_ws", 165),
    (173, "indoor_climbing", 29),
    (174, "bouldering", 29),
    (175, "e_bike_mountain", 2),
    (176, "e_bike_fitness", 2),
    (180, "hiit", 29),
    (181, "ultra_run", 1),
    (182, "e_sport", 4),
    (185, "motorcycling_v2", 4),
    (186, "motocross_v2", 4),
    (187, "atv_v2", 4),
    (189, "transition_v2", 4),
    (190, "swimToBikeTransition_v2", 4),
    (191, "bikeToRunTransition_v2", 4),
    (192, "runToBikeTransition_v2", 4),
    (193, "hunting", 4),
    (197, "hand_cycling", 2),
    (198, "indoor_hand_cycling", 2),
    (199, "para_sports", 17),
    (200, "wheelchair_push_run", 199),
    (201, "wheelchair_push_walk", 199),
    (202, "meditation", 4),
    (203, "backcountry_skiing", 165),
    (204, "backcountry_snowboarding", 165),
    (205, "disc_golf", 4),
    (206, "team_sports", 17),
    (207, "cricket", 206),
    (208, "rugby", 206),
    (209, "ice_hockey", 206),
    (210, "field_hockey", 206),
    (211, "lacrosse", 206),
    (212, "volleyball", 206),
    (213, "ultimate_disc", 206),
    (214, "softball", 206),
    (215, "soccer", 206),
    (216, "american_football", 206),
    (217, "basketball", 206),
    (218, "baseball", 206),
    (219, "racket_sports", 17),
    (220, "table_tennis", 219),
    (221, "platform_tennis", 219),
    (222, "racquetball", 219),
    (223, "squash", 219),
    (224, "badminton", 219),
    (225, "pickleball", 219),
    (226, "paddelball", 219),
    (227, "tennis_v2", 219),
    (228, "water_sports", 17),
    (229, "boating_v2", 228),
    (230, "fishing_v2", 228),
    (231, "kayaking_v2", 228),
    (232, "kiteboarding_v2", 228),
    (233, "offshore_grinding_v2", 228),
    (234, "onshore_grinding_v2", 29),
    (235, "paddling_v2", 228),
    (236, "whitewater_rafting_v2", 228),
    (237, "rowing_v2", 228),
    (238, "sailing_v2", 228),
    (239, "stand_up_paddleboarding_v2", 228),
    (240, "surfing_v2", 228),
    (241, "water_tubing", 228),
    (242, "windsurfing_v2", 228),
    (243, "wakeboarding_v2", 228),
    (244, "wakesurfing", 228),
    (245, "waterskiing", 228),
    (246, "boxing", 4),
    (247, "archery", 4),
    (248, "mixed_martial_arts", 4),
    (249, "overland", 4),
    (250, "snorkeling", 228),
    (251, "resort_skiing", 165),
    (252, "resort_snowboarding", 165),
    (253, "dance", 29),
    (254, "jump_rope", 29),
    (255, "mobility", 29),
    (256, "enduro_mtb", 2),
    (257, "rucking", 3),
    (259, "pool_apnea", 144),
    (260, "e_enduro_mtb", 2),
];
