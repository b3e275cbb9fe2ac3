//! Garmin's activity types: which one is a child of which, and what Strava calls it.
//!
//! A table of outside facts (dossier garmin.md §6.5, strava.md §6.2). New types appear regularly, so an
//! unknown key falls back to the parent that the list names beside it.

use crate::activity::Listed;

struct Type {
    id: u32,
    key: &'static str,
    /// Key of the parent; empty at the top.
    parent: &'static str,
    /// Strava's sport type; empty where Strava has none.
    sport: &'static str,
}

const fn of(id: u32, key: &'static str, parent: &'static str, sport: &'static str) -> Type {
    Type { id, key, parent, sport }
}

/// Id 0: a name seen in clients whose number nobody recorded.
#[rustfmt::skip]
const TYPES: &[Type] = &[
    of(1, "running", "", "Run"),
    of(6, "trail_running", "running", "TrailRun"),
    of(7, "street_running", "running", "Run"),
    of(8, "track_running", "running", "Run"),
    of(18, "treadmill_running", "running", "Run"),
    of(153, "virtual_run", "running", "VirtualRun"),
    of(154, "obstacle_run", "running", "Run"),
    of(156, "indoor_running", "running", "Run"),
    of(181, "ultra_run", "running", "Run"),
    of(2, "cycling", "", "Ride"),
    of(5, "mountain_biking", "cycling", "MountainBikeRide"),
    of(10, "road_biking", "cycling", "Ride"),
    of(19, "cyclocross", "cycling", "GravelRide"),
    of(20, "downhill_biking", "cycling", "MountainBikeRide"),
    of(21, "track_cycling", "cycling", "Ride"),
    of(22, "recumbent_cycling", "cycling", "Ride"),
    of(25, "indoor_cycling", "cycling", "Ride"),
    of(131, "bmx", "cycling", "Ride"),
    of(143, "gravel_cycling", "cycling", "GravelRide"),
    of(152, "virtual_ride", "cycling", "VirtualRide"),
    of(175, "e_bike_mountain", "cycling", "EMountainBikeRide"),
    of(176, "e_bike_fitness", "cycling", "EBikeRide"),
    of(197, "hand_cycling", "cycling", "Handcycle"),
    of(198, "indoor_hand_cycling", "cycling", "Handcycle"),
    of(256, "enduro_mtb", "cycling", "MountainBikeRide"),
    of(260, "e_enduro_mtb", "cycling", "EMountainBikeRide"),
    of(3, "hiking", "", "Hike"),
    of(257, "rucking", "hiking", "Hike"),
    of(9, "walking", "", "Walk"),
    of(15, "casual_walking", "walking", "Walk"),
    of(16, "speed_walking", "walking", "Walk"),
    of(26, "swimming", "", "Swim"),
    of(27, "lap_swimming", "swimming", "Swim"),
    of(28, "open_water_swimming", "swimming", "Swim"),
    of(29, "fitness_equipment", "", "Workout"),
    of(11, "indoor_cardio", "fitness_equipment", "Workout"),
    of(13, "strength_training", "fitness_equipment", "WeightTraining"),
    of(30, "elliptical", "fitness_equipment", "Elliptical"),
    of(31, "stair_climbing", "fitness_equipment", "StairStepper"),
    of(32, "indoor_rowing", "fitness_equipment", "Rowing"),
    of(160, "pilates", "fitness_equipment", "Pilates"),
    of(163, "yoga", "fitness_equipment", "Yoga"),
    of(173, "indoor_climbing", "fitness_equipment", "RockClimbing"),
    of(174, "bouldering", "fitness_equipment", "RockClimbing"),
    of(180, "hiit", "fitness_equipment", "HighIntensityIntervalTraining"),
    of(234, "onshore_grinding_v2", "fitness_equipment", "Workout"),
    of(253, "dance", "fitness_equipment", "Dance"),
    of(254, "jump_rope", "fitness_equipment", "Workout"),
    of(255, "mobility", "fitness_equipment", "Workout"),
    of(4, "other", "", "Workout"),
    of(37, "mountaineering", "other", "Hike"),
    of(41, "wind_kite_surfing", "other", "Kitesurf"),
    of(44, "horseback_riding", "other", "Workout"),
    of(49, "driving_general", "other", ""),
    of(52, "flying", "other", ""),
    of(60, "whitewater_rafting_kayaking", "other", "Kayaking"),
    of(63, "inline_skating", "other", "InlineSkate"),
    of(88, "golf", "other", "Golf"),
    of(133, "hunting_fishing", "other", ""),
    of(134, "sky_diving", "other", ""),
    of(136, "rc_drone", "other", ""),
    of(139, "rock_climbing", "other", "RockClimbing"),
    of(140, "hang_gliding", "other", ""),
    of(141, "wingsuit_flying", "other", ""),
    of(150, "floor_climbing", "other", "StairStepper"),
    of(151, "stop_watch", "other", ""),
    of(162, "auto_racing", "other", ""),
    of(164, "breathwork", "other", "Workout"),
    of(182, "e_sport", "other", ""),
    of(185, "motorcycling_v2", "other", ""),
    of(186, "motocross_v2", "other", ""),
    of(187, "atv_v2", "other", ""),
    of(189, "transition_v2", "other", ""),
    of(190, "swimToBikeTransition_v2", "other", ""),
    of(191, "bikeToRunTransition_v2", "other", ""),
    of(192, "runToBikeTransition_v2", "other", ""),
    of(193, "hunting", "other", ""),
    of(202, "meditation", "other", "Workout"),
    of(205, "disc_golf", "other", "Workout"),
    of(246, "boxing", "other", "Workout"),
    of(247, "archery", "other", "Workout"),
    of(248, "mixed_martial_arts", "other", "Workout"),
    of(249, "overland", "other", ""),
    of(89, "multi_sport", "", ""),
    of(108, "steps", "", ""),
    of(144, "diving", "", ""),
    of(145, "single_gas_diving", "diving", "Workout"),
    of(146, "multi_gas_diving", "diving", "Workout"),
    of(147, "gauge_diving", "diving", "Workout"),
    of(148, "apnea_diving", "diving", "Workout"),
    of(155, "apnea_hunting", "diving", ""),
    of(161, "ccr_diving", "diving", "Workout"),
    of(259, "pool_apnea", "diving", "Workout"),
    of(157, "safety", "", ""),
    of(158, "assistance", "safety", ""),
    of(159, "incident_detected", "safety", ""),
    of(165, "winter_sports", "", ""),
    of(166, "snowmobiling_ws", "winter_sports", ""),
    of(167, "snow_shoe_ws", "winter_sports", "Snowshoe"),
    of(168, "skating_ws", "winter_sports", "IceSkate"),
    of(169, "backcountry_skiing_snowboarding_ws", "winter_sports", "BackcountrySki"),
    of(170, "skate_skiing_ws", "winter_sports", "NordicSki"),
    of(171, "cross_country_skiing_ws", "winter_sports", "NordicSki"),
    of(172, "resort_skiing_snowboarding_ws", "winter_sports", "AlpineSki"),
    of(203, "backcountry_skiing", "winter_sports", "BackcountrySki"),
    of(204, "backcountry_snowboarding", "winter_sports", "Snowboard"),
    of(251, "resort_skiing", "winter_sports", "AlpineSki"),
    of(252, "resort_snowboarding", "winter_sports", "Snowboard"),
    of(199, "para_sports", "", ""),
    of(200, "wheelchair_push_run", "para_sports", "Wheelchair"),
    of(201, "wheelchair_push_walk", "para_sports", "Wheelchair"),
    of(206, "team_sports", "", ""),
    of(207, "cricket", "team_sports", "Cricket"),
    of(208, "rugby", "team_sports", "Workout"),
    of(209, "ice_hockey", "team_sports", "Workout"),
    of(210, "field_hockey", "team_sports", "Workout"),
    of(211, "lacrosse", "team_sports", "Workout"),
    of(212, "volleyball", "team_sports", "Volleyball"),
    of(213, "ultimate_disc", "team_sports", "Workout"),
    of(214, "softball", "team_sports", "Workout"),
    of(215, "soccer", "team_sports", "Soccer"),
    of(216, "american_football", "team_sports", "Workout"),
    of(217, "basketball", "team_sports", "Basketball"),
    of(218, "baseball", "team_sports", "Workout"),
    of(219, "racket_sports", "", ""),
    of(220, "table_tennis", "racket_sports", "TableTennis"),
    of(221, "platform_tennis", "racket_sports", "Tennis"),
    of(222, "racquetball", "racket_sports", "Racquetball"),
    of(223, "squash", "racket_sports", "Squash"),
    of(224, "badminton", "racket_sports", "Badminton"),
    of(225, "pickleball", "racket_sports", "Pickleball"),
    of(226, "paddelball", "racket_sports", "Padel"),
    of(227, "tennis_v2", "racket_sports", "Tennis"),
    of(228, "water_sports", "", ""),
    of(229, "boating_v2", "water_sports", ""),
    of(230, "fishing_v2", "water_sports", ""),
    of(231, "kayaking_v2", "water_sports", "Kayaking"),
    of(232, "kiteboarding_v2", "water_sports", "Kitesurf"),
    of(233, "offshore_grinding_v2", "water_sports", "Workout"),
    of(235, "paddling_v2", "water_sports", "Canoeing"),
    of(236, "whitewater_rafting_v2", "water_sports", "Kayaking"),
    of(237, "rowing_v2", "water_sports", "Rowing"),
    of(238, "sailing_v2", "water_sports", "Sail"),
    of(239, "stand_up_paddleboarding_v2", "water_sports", "StandUpPaddling"),
    of(240, "surfing_v2", "water_sports", "Surfing"),
    of(241, "water_tubing", "water_sports", "Workout"),
    of(242, "windsurfing_v2", "water_sports", "Windsurf"),
    of(243, "wakeboarding_v2", "water_sports", "Workout"),
    of(244, "wakesurfing", "water_sports", "Workout"),
    of(245, "waterskiing", "water_sports", "Workout"),
    of(250, "snorkeling", "water_sports", "Workout"),
    of(12, "uncategorized", "other", ""),
    of(36, "snow_shoe", "winter_sports", "Snowshoe"),
    of(39, "rowing", "water_sports", "Rowing"),
    of(51, "snowmobiling", "winter_sports", ""),
    of(57, "paddling", "water_sports", "Canoeing"),
    of(62, "skating", "winter_sports", "IceSkate"),
    of(67, "resort_skiing_snowboarding", "winter_sports", "AlpineSki"),
    of(68, "backcountry_skiing_snowboarding", "winter_sports", "BackcountrySki"),
    of(71, "motorcycling", "other", ""),
    of(75, "boating", "water_sports", ""),
    of(77, "sailing", "water_sports", "Sail"),
    of(81, "cross_country_skiing", "winter_sports", "NordicSki"),
    of(82, "skate_skiing", "winter_sports", "NordicSki"),
    of(83, "transition", "other", ""),
    of(84, "swimToBikeTransition", "other", ""),
    of(85, "bikeToRunTransition", "other", ""),
    of(86, "runToBikeTransition", "other", ""),
    of(87, "stand_up_paddleboarding", "water_sports", "StandUpPaddling"),
    of(132, "atv", "other", ""),
    of(135, "motocross", "other", ""),
    of(137, "surfing", "water_sports", "Surfing"),
    of(138, "wakeboarding", "water_sports", "Workout"),
    of(142, "tennis", "racket_sports", "Tennis"),
    of(0, "padel", "racket_sports", "Padel"),
];

fn by_key(key: &str) -> Option<&'static Type> {
    TYPES.iter().find(|row| row.key == key)
}

/// Whether Garmin has, as far as we know, a type of this name.
pub fn is_known(key: &str) -> bool {
    by_key(key).is_some()
}

/// All type keys that we know, for suggestions.
pub fn keys() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|row| row.key)
}

/// Key of the parent type: by the table, else by the number that the list gives.
fn parent(listed: &Listed) -> Option<&'static str> {
    if let Some(row) = listed.type_key.as_deref().and_then(by_key) {
        return Some(row.parent).filter(|parent| !parent.is_empty());
    }
    let id = listed.parent_type_id.filter(|id| *id != 0)?;
    TYPES.iter().find(|row| row.id == id).map(|row| row.key)
}

/// Whether an activity is of the type `wanted`, where a parent means all its children.
pub fn is_of_type(listed: &Listed, wanted: &str) -> bool {
    listed.type_key.as_deref() == Some(wanted) || parent(listed) == Some(wanted)
}

/// What Strava calls it; `None` where Strava has no such sport or Garmin's type is not known at all.
pub fn strava_sport(listed: &Listed) -> Option<&'static str> {
    let own = listed.type_key.as_deref().and_then(by_key).map(|row| row.sport);
    let sport = match own {
        Some(sport) => sport,
        None => parent(listed).and_then(by_key)?.sport,
    };
    Some(sport).filter(|sport| !sport.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::GarminId;

    fn listed(type_key: &str, parent_type_id: Option<u32>) -> Listed {
        Listed { type_key: Some(type_key.to_owned()), parent_type_id, ..Listed::bare(GarminId(1)) }
    }

    #[test]
    fn a_parent_means_all_its_children() {
        assert!(is_of_type(&listed("trail_running", None), "running"));
        assert!(is_of_type(&listed("trail_running", None), "trail_running"));
        assert!(is_of_type(&listed("running", None), "running"));
        assert!(!is_of_type(&listed("running", None), "trail_running"));
        assert!(!is_of_type(&listed("cycling", None), "running"));
    }

    #[test]
    fn a_type_of_next_year_is_what_its_parent_is() {
        let new = listed("moon_running", Some(1));
        assert!(is_of_type(&new, "running"));
        assert_eq!(strava_sport(&new), Some("Run"));
        assert_eq!(strava_sport(&listed("moon_running", None)), None);
    }

    #[test]
    fn every_parent_is_a_type_itself() {
        for row in TYPES.iter().filter(|row| !row.parent.is_empty()) {
            assert!(by_key(row.parent).is_some(), "{} has no parent {}", row.key, row.parent);
        }
    }
}
