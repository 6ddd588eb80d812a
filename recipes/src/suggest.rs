//! "Did you mean": the known word closest to an unknown one.

/// Below this likeness (1 = equal) a suggestion confuses more than it helps.
const LIKENESS: f64 = 0.8;

/// Returns the candidate most like a text, if one is like enough.
pub fn closest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(text, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_close() {
        let keys = ["version", "features", "policy", "linkage"];
        assert_eq!(closest("verson", keys), Some("version"));
        assert_eq!(closest("feature", keys), Some("features"));
        assert_eq!(closest("zzz", keys), None);
        assert_eq!(closest("", keys), None);
    }
}
